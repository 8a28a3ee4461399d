import { formatBytes, formatSeconds } from "../core/format.ts";
import { quoted } from "../core/shell.ts";
import type { Check, ComponentSummary, Result, ServiceChange } from "../model/result.ts";
import { shortDigest } from "./digest.ts";
import { backupTable, copyLines, keptLines, planText } from "./lists.ts";
import { inlineCode, rehearsalMarkdown, sentence, withoutMarkup } from "./rehearsal-markdown.ts";
import { clockText, headline, isGood, timelineBars, verdictFacts } from "./verdict-text.ts";

/** Length of a full bar in characters. */
const barLength = 40;

/**
 * A result as a job summary: the verdict first, then components, checks, retention, and how to restore.
 *
 * @param command - which command it is the result of, such as `backup`.
 */
export function summaryMarkdown(result: Result, command: string): string {
  const parts = [
    heading(result, command),
    reason(result),
    list("Warnings", result.warnings ?? []),
    changes(result.services ?? []),
    rehearsalMarkdown(result),
    timeline(result),
    components(result.components ?? []),
    listing(result),
    checks(result.checks ?? []),
    list("Not known", result.unknown ?? []),
    lastLines(result),
    retention(result),
    delivery(result),
    result.result === "backed-up" ? howToRestore(result) : "",
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function heading(result: Result, command: string): string {
  const sign = isGood(result) ? "✅" : "❌";
  const facts = verdictFacts(result).map(withoutMarkup).join(" · ");
  return `## ${sign} Sophon Keeper: ${withoutMarkup(headline(result, command))}\n\n${facts}`;
}

function reason(result: Result): string {
  const { reason: why } = result;
  if (why === undefined) return "";
  const evidence = why.evidence === undefined ? "" : `\n\n${fenced(why.evidence)}`;
  const hint = why.hint === undefined ? "" : `\n\n${sentence(why.hint)}`;
  return `**${sentence(why.message)}**${hint}${evidence}`;
}

function changes(rows: readonly ServiceChange[]): string {
  if (rows.length === 0) return "";
  const cells = rows.map(({ service, from, fromDigest, to, toDigest }) => [
    ...[service, from, shortDigest(fromDigest), to, shortDigest(toDigest)],
  ]);
  return table(["service", "from", "digest", "to", "digest"], cells);
}

/** The phases as text bars, which every Markdown viewer can show. */
function timeline(result: Result): string {
  const bars = timelineBars(result);
  if (bars.length === 0) return "";
  const cells = bars.map(({ name, fromSeconds, seconds, left, width, isDowntime }) => {
    const before = Math.min(barLength - 1, Math.round((left / 100) * barLength));
    const length = Math.max(1, Math.min(barLength - before, Math.round((width / 100) * barLength)));
    const blocks = `${"·".repeat(before)}${(isDowntime ? "▓" : "█").repeat(length)}`;
    const title = isDowntime ? bold("downtime") : name;
    // Formatted as code, so that all characters have the same width.
    const bar = { markup: `\`${blocks}\`` };
    return [title, clockText(fromSeconds), formatSeconds(seconds), bar];
  });
  return table(["phase", "at #", "took #", ""], cells);
}

function lastLines(result: Result): string {
  const all = Object.entries(result.lastLines ?? {});
  return all
    .map(([name, lines]) => {
      const title = `<details><summary>Last lines of ${withoutMarkup(name)}</summary>`;
      return [title, "", fenced(lines.join("\n") || "(nothing)"), "", "</details>"].join("\n");
    })
    .join("\n\n");
}

function components(rows: readonly ComponentSummary[]): string {
  if (rows.length === 0) return "";
  const cells = rows.map((row) => [
    row.name,
    row.store,
    row.summary ?? "",
    row.plainBytes === undefined ? "" : formatBytes(row.plainBytes),
    formatBytes(row.bytes),
    row.seconds === undefined ? "" : formatSeconds(row.seconds),
    throughput(row),
  ]);
  const total = rows.reduce((sum, row) => sum + row.bytes, 0);
  const head = ["component", "store", "holds", "data #", "stored #", "time #", "speed #"];
  return table(head, [...cells, [bold("total"), "", "", "", bold(formatBytes(total)), "", ""]]);
}

function throughput(row: ComponentSummary): string {
  const bytes = row.plainBytes ?? row.bytes;
  if (row.seconds === undefined || row.seconds < 0.01) return "";
  return `${formatBytes(bytes / row.seconds)}/s`;
}

/** The tables that the terminal shows as plain columns, as code blocks. */
function listing(result: Result): string {
  return [backupTable(result), planText(result.plan)]
    .filter((text) => text !== "")
    .map((text) => fenced(text))
    .join("\n\n");
}

/** What did not pass comes first; what passed is folded behind its number. */
function checks(rows: readonly Check[]): string {
  if (rows.length === 0) return "";
  const passed = rows.filter(({ status }) => status === "pass");
  const others = rows.filter(({ status }) => status !== "pass");
  const title = `<details><summary>${passed.length} of ${rows.length} checks passed</summary>`;
  const folded = [title, "", checkTable(passed), "", "</details>"].join("\n");
  return [
    ...(others.length === 0 ? [] : [checkTable(others)]),
    ...(passed.length === 0 ? [] : [folded]),
  ].join("\n\n");
}

function checkTable(rows: readonly Check[]): string {
  const signs = { pass: "✅", fail: "❌", unverifiable: "❔" };
  return table(
    ["", "check", "of", "detail"],
    rows.map((row) => [signs[row.status], row.name, row.component ?? "", row.detail]),
  );
}

function retention(result: Result): string {
  const removed = texts(result.removed);
  const kept = texts(result.kept);
  if (result.removed === undefined && result.kept === undefined) return "";
  const names = removed.map(inlineCode).join(", ");
  const gone = removed.length === 0 ? "nothing removed" : `removed ${names}`;
  return `**Retention**: ${result.kept === undefined ? "" : `${kept.length} kept, `}${gone}`;
}

function delivery(result: Result): string {
  const { artifact } = result;
  const lines = copyLines(result).map((line) => `**Off the host**: ${withoutMarkup(line)}`);
  if (artifact !== undefined) {
    const { name, bytes, sha256 } = artifact;
    const size = formatBytes(bytes);
    lines.push(`**Off the host**: artifact ${inlineCode(name)}, ${size}, SHA-256 \`${sha256}\``);
  }
  return [...lines, list("Set aside by restores", keptLines(result))]
    .filter((part) => part !== "")
    .join("\n\n");
}

function howToRestore(result: Result): string {
  const encrypted = (result.components ?? []).length > 0 && result.encrypted !== false;
  const open = encrypted ? "age -d -i KEY data.tar.zst.age | zstd -d" : "zstd -dc data.tar.zst";
  const path = quoted(result.path ?? "BACKUP");
  const identity = encrypted ? " --identity KEY" : "";
  return [
    "<details><summary>How to restore</summary>",
    "",
    "With Sophon Keeper, which verifies the backup first and keeps the current data until the restored stack is healthy:",
    "",
    fenced(`sophon-keeper restore --backup ${path}${identity}`, "sh"),
    "",
    "By hand: `manifest.json` has a command for each component (`recovery`). For the data directory, stop the stack and use an empty directory:",
    "",
    fenced(
      `cd ${path}\n${open} | tar --numeric-owner --xattrs --xattrs-include='*' -xp -C "$SOPHON_DATA"`,
      "sh",
    ),
    "",
    "</details>",
  ].join("\n");
}

function list(title: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  return `**${title}**\n\n${items.map((item) => `- ${sentence(item)}`).join("\n")}`;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** A cell: text of any origin, or markup of ours. */
type Cell = string | { readonly markup: string };

function bold(text: string): Cell {
  return { markup: `**${text}**` };
}

/** A title that ends in `#` belongs to a column of numbers. */
function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  // A number and its unit stay on one line.
  const isNumber = head.map((title) => title.endsWith(" #"));
  const whole = (text: string, at: number) =>
    isNumber[at] === true ? text.replaceAll(" ", "\u00a0") : text;
  const line = (cells: readonly Cell[]) => `| ${cells.map(cell).map(whole).join(" | ")} |`;
  const titles = head.map((title) => title.replace(/ #$/, ""));
  const rule = head.map((title) => (title.endsWith(" #") ? " ---: " : " --- ")).join("|");
  return [line(titles), `|${rule}|`, ...rows.map(line)].join("\n");
}

function cell(content: Cell): string {
  return typeof content === "string" ? withoutMarkup(content.replace(/\s+/g, " ")) : content.markup;
}

/** A code block that its content cannot close. */
function fenced(text: string, language = "text"): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
