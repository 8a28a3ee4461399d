import { formatBytes, formatSeconds } from "../core/format.ts";
import type { Check, Result } from "../model/result.ts";
import { shortDigest } from "./digest.ts";
import { escaped, htmlPage, list, pre, section, table } from "./html.ts";
import { backupRows, copyLines, keptLines, planText } from "./lists.ts";
import { type Part, rehearsalSections } from "./rehearsal-sections.ts";
import {
  type Bar,
  clockText,
  downtimeBars,
  headline,
  isGood,
  timelineBars,
  verdictFacts,
} from "./verdict-text.ts";

/** What the page shows besides the result. */
export interface PageFacts {
  readonly version: string;
  readonly command: string;
  readonly at: Date;
  /** The host that it ran on. */
  readonly host: string;
  /** The project's name or directory, where the user gave one. */
  readonly stack?: string | undefined;
}

/**
 * A result as one self-contained HTML page without external scripts, fonts or images. It can be mailed, kept as an
 * artifact, or opened years later.
 */
export function pageHtml(result: Result, about: PageFacts): string {
  const { version, command, at, host, stack } = about;
  const sentence = headline(result, command);
  const where = stack === undefined ? host : `${stack} on ${host}`;
  const title = `${sentence} · ${where}`;
  const facts = verdictFacts(result).map(escaped).join(" · ");
  const when = `<time datetime="${at.toISOString()}">${at.toISOString().slice(0, 16).replace("T", " ")} UTC</time>`;
  const body = [
    why(result),
    list("Warnings", result.warnings ?? []),
    changes(result),
    ...rehearsal(result),
    downtime(result),
    timeline(result),
    ...tables(result),
    notes(result),
  ];
  const sign = isGood(result) ? "✔" : "✘";
  const header = `<h1 class="${isGood(result) ? "good" : "bad"}"><span aria-hidden="true">${sign}</span> ${escaped(sentence)}</h1>
<p>${escaped(command)} of ${escaped(where)}, ${when}</p>
<p class="soft">${facts}</p>`;
  return htmlPage({ title, header, main: body.filter((part) => part !== "").join("\n"), version });
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
  const image = (reference: string, digest: string) =>
    `<span><code>${escaped(reference)}</code><br><code class="soft" title="${escaped(digest)}">${escaped(shortDigest(digest))}</code></span>`;
  const rows = services.map((one) => [
    escaped(one.service),
    image(one.from, one.fromDigest),
    image(one.to, one.toDigest),
  ]);
  return section("Images", ["service !", "from", "to"], rows);
}

/** The number that an upgrade is judged by, on a scale of its own: within a long run it would be a hair line. */
function downtime(result: Result): string {
  const seconds = result.timeline?.downtime?.seconds;
  const bars = downtimeBars(result);
  if (seconds === undefined || bars.length === 0) return "";
  return bands(`Downtime: ${formatSeconds(seconds)}`, "downtime", bars);
}

function timeline(result: Result): string {
  const bars = timelineBars(result);
  return bars.length === 0 ? "" : bands("Timeline", "timeline", bars);
}

/** Each bar is drawn; the cells next to it contain the same values. */
function bands(title: string, id: string, bars: readonly Bar[]): string {
  const lines = bars.map((bar) => {
    const rect = `<rect x="${bar.left.toFixed(2)}%" width="${bar.width.toFixed(2)}%" height="100%"/>`;
    const cells = [
      `<th scope="row" class="name">${escaped(bar.name)}</th>`,
      `<td class="number">${clockText(bar.fromSeconds)}</td>`,
      `<td class="number">${formatSeconds(bar.seconds)}</td>`,
      `<td class="track"><svg aria-hidden="true">${rect}</svg></td>`,
    ];
    return `<tr${bar.isDowntime ? ' class="down"' : ""}>${cells.join("")}</tr>`;
  });
  const head =
    '<th scope="col">phase</th><th scope="col" class="number">at</th><th scope="col" class="number">took</th><th scope="col" class="track"><span class="hidden">share</span></th>';
  const table = `<table class="bands">\n<thead><tr>${head}</tr></thead>\n<tbody>\n${lines.join("\n")}\n</tbody>\n</table>`;
  return `<section>\n<h2 id="${id}">${escaped(title)}</h2>\n${table}\n</section>`;
}

function rehearsal(result: Result): string[] {
  const piece = (part: Part) =>
    typeof part === "string" ? escaped(part) : `<code>${escaped(part.code)}</code>`;
  return rehearsalSections(result).map(({ title, lines, table }) => {
    if (table !== undefined) {
      const [first = "", ...head] = table.head;
      const rows = table.rows.map((cells) => cells.map((cell) => cell.map(piece).join("")));
      return section(title, [`${first} !`, ...head], rows);
    }
    const items = lines.map((line) => `<li>${line.map(piece).join("")}</li>`).join("\n");
    return `<section><h2>${escaped(title)}</h2>\n<ul>\n${items}\n</ul>\n</section>`;
  });
}

/** What did not pass comes first; what passed is folded behind its number. */
function tables(result: Result): string[] {
  const all = result.checks ?? [];
  const passed = all.filter(({ status }) => status === "pass");
  const others = all.filter(({ status }) => status !== "pass");
  const folded = `<details><summary>${passed.length} of ${all.length} checks passed</summary>\n${checkTable(passed)}\n</details>`;
  const components = (result.components ?? []).map((one) => [
    escaped(one.name),
    escaped(one.summary ?? ""),
    one.plainBytes === undefined ? "" : formatBytes(one.plainBytes),
    formatBytes(one.bytes),
    one.seconds === undefined ? "" : formatSeconds(one.seconds),
  ]);
  const checks = [
    others.length === 0 ? "" : checkTable(others),
    passed.length === 0 ? "" : folded,
  ].filter((part) => part !== "");
  return [
    checks.length === 0
      ? ""
      : `<section>\n<h2 id="checks">Checks</h2>\n${checks.join("\n")}\n</section>`,
    section("Backup", ["component !", "holds", "data #", "stored #", "time #"], components),
  ];
}

const unbroken = ["backup", "made", "sealed"];

function listed(result: Result): string {
  const [head = [], ...rows] = backupRows(result);
  const titles = head.map((title) =>
    title === "size" || title === "all it needs"
      ? `${title} #`
      : `${title}${unbroken.includes(title) ? " !" : ""}`,
  );
  const { backups } = result;
  if (!Array.isArray(backups)) return "";
  if (rows.length === 0) return "<p>There are no backups.</p>";
  const cells = rows.map(([id = "", ...row], at) => {
    const { problem } = backups[at] as { readonly problem?: string | null };
    const cell = (text: string) =>
      text === problem ? `<span class="fail">${escaped(text)}</span>` : escaped(text);
    return [`<code>${escaped(id)}</code>`, ...row.map(cell)];
  });
  return section("Backups", titles, cells);
}

function checkTable(checks: readonly Check[]): string {
  const rows = checks.map((one) => [
    `<span class="${one.status}">${one.status}</span>`,
    escaped(one.name),
    escaped(one.component ?? ""),
    escaped(one.detail),
  ]);
  return table(["result !", "check", "of", "detail"], rows);
}

function notes(result: Result): string {
  const plan = planText(result.plan);
  const { removed } = result;
  const lists = [
    ["Copies", copyLines(result)],
    ["Set aside by restores", keptLines(result)],
    ["Removed by retention", Array.isArray(removed) ? removed.map(String) : []],
    ["Not known", result.unknown ?? []],
  ] as const;
  const logs = Object.entries(result.lastLines ?? {}).map(
    ([container, lines]) =>
      `<details open><summary>Last lines of <code>${escaped(container)}</code></summary>\n${pre(lines.join("\n") || "(nothing)", `Log of ${container}`)}\n</details>`,
  );
  return [
    ...(logs.length === 0 ? [] : [`<section><h2>Logs</h2>\n${logs.join("\n")}\n</section>`]),
    listed(result),
    ...(plan === "" ? [] : [`<section><h2>Plan</h2>\n${pre(plan, "Plan")}\n</section>`]),
    ...lists.map(([title, items]) => list(title, items)),
  ]
    .filter((part) => part !== "")
    .join("\n");
}
