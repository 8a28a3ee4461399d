import { formatAge, formatBytes } from "../core/format.ts";
import {
  diskForecast,
  type History,
  isGoodBackup,
  type KeptBackup,
  type Night,
  newestProven,
  nightsOf,
} from "../model/history.ts";
import { isBadNight, nightCalendar, nightWord } from "./history-calendar.ts";
import { changeSection, diskChart, storeCharts } from "./history-charts.ts";
import { historyStyle } from "./history-style.ts";
import { escaped, htmlPage, section, table } from "./html.ts";

/** Backups that are shown before the rest is folded. */
const shownBackups = 10;
const recentNights = 30;
const staleHours = 48;

/** The whole past of a stack as one self-contained HTML page. */
export function historyHtml(
  history: History,
  { version, host }: { readonly version: string; readonly host: string },
): string {
  const nights = nightsOf(history);
  const { isGood, sentence } = historyVerdict(history, nights);
  const at = `<time datetime="${history.at}">${timeText(history.at)}</time>`;
  const sign = isGood ? "✔" : "✘";
  const header = `<h1 class="${isGood ? "good" : "bad"}"><span aria-hidden="true">${sign}</span> ${escaped(sentence)}</h1>
<p>Backups of ${escaped(history.project)} on ${escaped(host)}, ${at}</p>`;
  const main = [
    keyFacts(history, nights),
    attention(nights),
    nightCalendar(nights),
    changeSection(history),
    diskChart(history),
    storeCharts(history),
    failedRuns(history),
    backups(history),
  ];
  return htmlPage({
    ...{ title: `${sentence} · ${history.project} on ${host}`, header, version },
    main: main.filter((part) => part !== "").join("\n"),
    style: historyStyle,
  });
}

/** The state of a stack's backups as a sentence. */
export function historyVerdict(
  history: History,
  nights: readonly Night[] = nightsOf(history),
): { readonly isGood: boolean; readonly sentence: string } {
  const good = history.backups.find(isGoodBackup);
  if (good === undefined) return { isGood: false, sentence: "There is no good backup" };
  const age = ageText(good.createdAt, history.at);
  const hours = (Date.parse(history.at) - Date.parse(good.createdAt)) / 3_600_000;
  const proof = proofOf(good);
  const last = nights.findLast(({ state }) => state !== "none");
  if (last?.state === "missing" || last?.state === "failed" || hours > staleHours) {
    return { isGood: false, sentence: `The newest good backup is ${age} old` };
  }
  return { isGood: true, sentence: `The newest backup is ${age} old and ${proof}` };
}

function proofOf({ level }: KeptBackup): string {
  if (level === "restore") return "was restored in a test";
  if (level === "contents") return "was read to the last byte";
  return level === "checksum" ? "has correct checksums" : "was never verified";
}

function keyFacts(history: History, nights: readonly Night[]): string {
  const proven = newestProven(history);
  const recent = nights.slice(-recentNights);
  const due = recent.filter(({ state }) => state !== "none");
  const bad = due.filter(isBadNight);
  const total = history.backups.reduce((sum, { bytes }) => sum + bytes, 0);
  const { offHost } = history;
  const facts: readonly (readonly [string, string, string])[] = [
    [
      "Newest proven copy here",
      proven === undefined ? "none" : `${ageText(proven.createdAt, history.at)} old`,
      proven === undefined ? "" : `${proofOf(proven)}: ${proven.id}`,
    ],
    [
      "Newest proven copy off this host",
      offHost === null ? "none" : `${ageText(offHost.createdAt, history.at)} old`,
      offHost === null ? "one fire takes all" : offHost.remotes.join(", "),
    ],
    [
      `Last ${recent.length} nights`,
      `${due.length - bad.length} of ${due.length} good`,
      bad.length === 0 ? "" : bad.map(({ state }) => nightWord[state]).join(", "),
    ],
    ["Kept", `${history.backups.length} backups`, `${formatBytes(total)} in ${history.repository}`],
    ["Disk", ...diskText(history)],
  ];
  const items = facts.map(
    ([name, value, detail]) =>
      `<div><dt>${escaped(name)}</dt><dd><strong>${unbroken(escaped(value))}</strong>${detail === "" ? "" : `<span class="soft">${escaped(detail)}</span>`}</dd></div>`,
  );
  return `<dl class="facts">\n${items.join("\n")}\n</dl>`;
}

/** A date is one word: it must not break at its hyphens. */
function unbroken(html: string): string {
  return html.replaceAll(/\d{4}-\d\d-\d\d/g, '<span class="date">$&</span>');
}

function diskText(history: History): readonly [string, string] {
  const { disk } = history;
  const free =
    disk === undefined
      ? ""
      : `${formatBytes(disk.freeBytes)} of ${formatBytes(disk.totalBytes)} are free`;
  const forecast = diskForecast(history);
  if (forecast.kind === "full") {
    const grows = `${formatBytes(forecast.bytesPerDay)} a day`;
    return [`full about ${forecast.on}`, `${free}, ${grows} less`];
  }
  const word = forecast.kind === "steady" ? "not filling up" : "too early to tell";
  return [word, free];
}

/** The nights that somebody has to look at, newest first. */
function attention(nights: readonly Night[]): string {
  const rows = nights
    .filter(isBadNight)
    .toReversed()
    .map(
      ({ date, state, why = state === "missing" ? "no run made a backup" : "", backups: of }) => [
        date,
        `<span class="fail">${nightWord[state]}</span>`,
        escaped(why),
        of.map(({ id }) => `<code>${escaped(id)}</code>`).join("<br>"),
      ],
    );
  return section("Nights to look at", ["night !", "state !", "why", "backup !"], rows);
}

/** Runs that ended badly and are no night's backup. */
function failedRuns({ runs }: History): string {
  const good = ["backed-up", "verified", "restored", "passed", "unchanged", "recovered", "pruned"];
  const rows = runs
    .filter(
      ({ command, result }) =>
        command !== "upgrade-test" && ![...good, "uploaded"].includes(result),
    )
    .toReversed()
    .slice(0, recentNights)
    .map(({ at, command, result, class: kind = "" }) => [
      timeText(at),
      ...[escaped(command), `<span class="fail">${escaped(result)}</span>`, escaped(kind)],
    ]);
  return section("Runs that failed", ["when !", "command !", "result", "class"], rows);
}

function backups({ backups: all }: History): string {
  if (all.length === 0) return "";
  const head = ["backup !", "made !", "size #", "verified", "off this host"];
  const rows = all.map(({ id, createdAt, bytes, level, problem, remotes }) => [
    `<code>${escaped(id)}</code>`,
    timeText(createdAt),
    formatBytes(bytes),
    problem === null
      ? escaped(level ?? "not verified")
      : `<span class="fail">${escaped(problem)}</span>`,
    remotes.length === 0 ? "no" : escaped(remotes.join(", ")),
  ]);
  const rest = rows.slice(shownBackups);
  const more = `<details><summary>${rest.length} older ones</summary>\n${table(head, rest)}\n</details>`;
  const shown = table(head, rows.slice(0, shownBackups));
  return `<section>\n<h2>Backups</h2>\n${shown}\n${rest.length === 0 ? "" : more}\n</section>`;
}

function ageText(from: string, to: string): string {
  return formatAge((Date.parse(to) - Date.parse(from)) / 1000);
}

function timeText(time: string): string {
  return `${time.slice(0, 16).replace("T", " ")} UTC`;
}
