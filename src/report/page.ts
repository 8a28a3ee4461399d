import { formatBytes, formatSeconds } from "../core/format.ts";
import type { Check, Result } from "../model/result.ts";
import { backupTable, planText } from "./lists.ts";
import { pageStyle } from "./page-style.ts";
import { clockText, isGood, timelineBars, verdictFacts, verdictText } from "./verdict-text.ts";

/** What the page shows besides the result. */
export interface PageFacts {
  readonly version: string;
  readonly command: string;
  readonly at: Date;
}

/**
 * A result as one self-contained HTML page without external scripts, fonts or images. It can be mailed, kept as an
 * artifact, or opened years later.
 */
export function pageHtml(result: Result, { version, command, at }: PageFacts): string {
  const title = `Sophon Keeper ${command}: ${verdictText(result)}`;
  const facts = verdictFacts(result).map(escaped).join(" · ");
  const body = [why(result), changes(result), timeline(result), ...tables(result), notes(result)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
${pageStyle}
</style>
</head>
<body>
<header>
<h1 class="${isGood(result) ? "good" : "bad"}"><span aria-hidden="true">${isGood(result) ? "✔" : "✘"}</span> ${escaped(verdictText(result))}</h1>
<p class="soft">${facts}</p>
</header>
<main>
${body.filter((part) => part !== "").join("\n")}
</main>
<footer>Sophon Keeper ${escaped(version)}, ${escaped(command)}, <time datetime="${at.toISOString()}">${at.toISOString().slice(0, 19).replace("T", " ")} UTC</time></footer>
</body>
</html>
`;
}

function why({ reason }: Result): string {
  if (reason === undefined) return "";
  const hint = reason.hint === undefined ? "" : `\n<p>${escaped(reason.hint)}</p>`;
  const evidence = reason.evidence === undefined ? "" : `\n${pre(reason.evidence, "Evidence")}`;
  const told = `<p><strong>${escaped(reason.message)}</strong></p>`;
  const kind = `<p class="soft">class <code>${escaped(reason.class)}</code></p>`;
  return `<section class="why" aria-label="Why">\n${told}${hint}\n${kind}${evidence}\n</section>`;
}

function changes({ services = [] }: Result): string {
  const code = (text: string) => `<code>${escaped(text)}</code>`;
  const rows = services.map((one) => [
    name(one.service),
    cell(`${code(one.from)}<br>${code(one.fromDigest)}`),
    cell(`${code(one.to)}<br>${code(one.toDigest)}`),
  ]);
  return section("Images", ["service", "from", "to"], rows);
}

/** Each bar is drawn; the cells next to it contain the same values. */
function timeline(result: Result): string {
  const rows = timelineBars(result).map((bar) => {
    const rect = `<rect x="${bar.left.toFixed(2)}%" width="${bar.width.toFixed(2)}%" height="100%"/>`;
    return {
      row: bar.isDowntime ? "down" : "",
      cells: [
        name(bar.name),
        `<td class="number">${clockText(bar.fromSeconds)}</td>`,
        `<td class="number">${formatSeconds(bar.seconds)}</td>`,
        `<td class="track"><svg aria-hidden="true">${rect}</svg></td>`,
      ],
    };
  });
  if (rows.length === 0) return "";
  const head =
    '<th scope="col">phase</th><th scope="col" class="number">at</th><th scope="col" class="number">took</th><th scope="col">share of the whole</th>';
  const lines = rows.map(({ row, cells }) => `<tr class="${row}">${cells.join("")}</tr>`);
  return wrapped(
    "Timeline",
    `<thead><tr>${head}</tr></thead>\n<tbody>\n${lines.join("\n")}\n</tbody>`,
  );
}

function tables(result: Result): string[] {
  const checks = (result.checks ?? []).map((one: Check) => [
    `<td class="${one.status}">${one.status}</td>`,
    name(one.name),
    cell(escaped(one.component ?? "")),
    cell(escaped(one.detail)),
  ]);
  const components = (result.components ?? []).map((one) => [
    name(one.name),
    cell(escaped(one.summary ?? "")),
    `<td class="number">${one.plainBytes === undefined ? "" : formatBytes(one.plainBytes)}</td>`,
    `<td class="number">${formatBytes(one.bytes)}</td>`,
    `<td class="number">${one.seconds === undefined ? "" : formatSeconds(one.seconds)}</td>`,
  ]);
  return [
    section("Checks", ["result", "check", "of", "detail"], checks),
    section("Backup", ["component", "holds", "data #", "stored #", "time #"], components),
  ];
}

function notes(result: Result): string {
  const parts = [backupTable(result), planText(result.plan)].filter((text) => text !== "");
  const lists = [
    ["Warnings", result.warnings ?? []],
    ["Not known", result.unknown ?? []],
  ] as const;
  const logs = Object.entries(result.lastLines ?? {}).map(
    ([container, lines]) =>
      `<details open><summary>Last lines of <code>${escaped(container)}</code></summary>\n${pre(lines.join("\n") || "(nothing)", `Log of ${container}`)}\n</details>`,
  );
  return [
    ...(logs.length === 0 ? [] : [`<section><h2>Logs</h2>\n${logs.join("\n")}\n</section>`]),
    ...parts.map((text) => `<section><h2>Details</h2>\n${pre(text, "Details")}\n</section>`),
    ...lists.map(([title, items]) => list(title, items)),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function list(title: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  const lines = items.map((item) => `<li>${escaped(item)}</li>`).join("\n");
  return `<section><h2>${title}</h2>\n<ul>\n${lines}\n</ul>\n</section>`;
}

function section(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  if (rows.length === 0) return "";
  const titles = head.map(heading).join("");
  const lines = rows.map((cells) => `<tr>${cells.join("")}</tr>`).join("\n");
  return wrapped(title, `<thead><tr>${titles}</tr></thead>\n<tbody>\n${lines}\n</tbody>`);
}

/** A title that ends in `#` belongs to a column of numbers. */
function heading(title: string): string {
  const [text, kind] = title.endsWith(" #") ? [title.slice(0, -2), ' class="number"'] : [title, ""];
  return `<th scope="col"${kind}>${text}</th>`;
}

/** A wide table scrolls on its own, also with the keyboard. */
function wrapped(title: string, table: string): string {
  const id = title.toLowerCase();
  const region = `<div class="scroll" role="region" aria-labelledby="${id}" tabindex="0">`;
  return `<section>\n<h2 id="${id}">${title}</h2>\n${region}\n<table>\n${table}\n</table>\n</div>\n</section>`;
}

function name(text: string): string {
  return `<td class="name">${escaped(text)}</td>`;
}

function cell(html: string): string {
  return `<td>${html}</td>`;
}

function pre(text: string, label: string): string {
  return `<pre tabindex="0" role="region" aria-label="${escaped(label)}">${escaped(text)}</pre>`;
}

/** Text from a log or a file name must not become markup. */
function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
