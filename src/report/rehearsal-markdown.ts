import { visibleLine } from "../core/visible.ts";
import type { Result } from "../model/result.ts";
import {
  candidates,
  droppedTitle,
  type Part,
  rehearsalSections,
  type Section,
} from "./rehearsal-sections.ts";

/**
 * The findings of a rehearsal as Markdown; empty for any other result.
 *
 * @param isWhole - with the table of candidates
 */
export function rehearsalMarkdown(result: Result, isWhole = true): string {
  const sections = rehearsalSections(result);
  return sections
    .filter(({ table }) => isWhole || table === undefined)
    .map(sectionMarkdown)
    .join("\n\n");
}

const mostLosses = 5;

/** What a version drops with its data, in one paragraph; empty if it drops nothing. */
export function lossesMarkdown(result: Result): string {
  const sections = rehearsalSections(result);
  const lines = sections.find(({ title }) => title === droppedTitle)?.lines ?? [];
  if (lines.length === 0) return "";
  const shown = lines.slice(0, mostLosses).map(lineMarkdown);
  const rest = lines.length - shown.length;
  return `**Drops data:** ${[...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ")}`;
}

/** The table of candidates as Markdown; empty without one. */
export function candidatesMarkdown({ rehearsal }: Result): string {
  return rehearsal === undefined ? "" : candidates(rehearsal).map(sectionMarkdown).join("\n\n");
}

function sectionMarkdown({ title, lines, table }: Section): string {
  if (table === undefined) {
    return `**${title}**\n\n${lines.map((line) => `- ${lineMarkdown(line)}`).join("\n")}`;
  }
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  // Inside a table a bar ends the cell, even in code.
  const cell = (parts: readonly Part[]) =>
    parts
      .map((part) =>
        typeof part === "string" ? inert(part) : inlineCode(part.code.replaceAll("|", "\\|")),
      )
      .join("");
  const rule = row(table.head.map(() => "---"));
  const rows = table.rows.map((cells) => row(cells.map(cell)));
  return [`**${title}**`, "", row(table.head), rule, ...rows].join("\n");
}

function lineMarkdown(parts: readonly Part[]): string {
  return parts
    .map((part) => (typeof part === "string" ? inert(part) : inlineCode(part.code)))
    .join("");
}

/** Text as inline code: no mention, link or markup in it has an effect. */
export function inlineCode(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  if (line === "") return "` `";
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${space}${line}${space}${fence}`;
}

/**
 * Text that mentions nobody, links nothing and is no markup. GitHub looks for mentions in the rendered text, so a
 * character reference alone does not stop one: a space without width does.
 */
export function inert(text: string): string {
  return withoutMarkup(text).replace(
    /[@#]|:(?=\/\/)|\bwww(?=\.)|\bGH(?=-\d)/gi,
    (found) => `${found}&#8203;`,
  );
}

/** One line of text that is no markup: no picture is loaded by it, no link hides where it leads, nothing begins a title. */
export function withoutMarkup(text: string): string {
  return visibleLine(text)
    .replace(/([\\`*_~[\]|!])|^(?=#)/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

/** A sentence of ours with text of others in it: what stands as code stays code, the rest is {@link withoutMarkup}. */
export function sentence(text: string): string {
  const parts = visibleLine(text).split(/`([^`]+)`/);
  return parts.map((part, at) => (at % 2 === 1 ? inlineCode(part) : withoutMarkup(part))).join("");
}
