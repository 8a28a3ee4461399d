import type { Result } from "../model/result.ts";
import { type Part, rehearsalSections } from "./rehearsal-sections.ts";

/** The findings of a rehearsal as Markdown; empty for any other result. */
export function rehearsalMarkdown(result: Result): string {
  return rehearsalSections(result)
    .map(
      ({ title, lines }) =>
        `**${title}**\n\n${lines.map((line) => `- ${lineMarkdown(line)}`).join("\n")}`,
    )
    .join("\n\n");
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
  return text
    .replace(/([\\`*_~[\]|!])/g, "\\$1")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/[@#]|:(?=\/\/)|\bwww(?=\.)|\bGH(?=-\d)/gi, (found) => `${found}&#8203;`);
}
