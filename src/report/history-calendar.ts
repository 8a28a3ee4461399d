import type { Night, NightState } from "../model/history.ts";
import { escaped } from "./html.ts";

/** What each state of a night is called. */
export const nightWord: Readonly<Record<NightState, string>> = {
  restore: "restored in a test",
  contents: "contents read",
  checksum: "checksums correct",
  unverified: "not verified",
  removed: "made, removed by retention",
  damaged: "damaged",
  failed: "failed",
  missing: "missing",
  none: "no backup planned",
};

/** A sign of its own for each state: colour alone does not tell. */
const signs: Readonly<Record<NightState, string>> = {
  ...{ restore: "✔", contents: "✓", checksum: "=", unverified: "?", removed: "·" },
  ...{ damaged: "✘", failed: "!", missing: "–", none: "" },
};

const openMonths = 2;
const weekdays = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const months = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September"],
  ...["October", "November", "December"],
];

/** Whether somebody has to look at a night. */
export function isBadNight({ state }: Night): boolean {
  return state === "damaged" || state === "failed" || state === "missing";
}

/** The nights as months, the newest first; older ones are folded. */
export function nightCalendar(nights: readonly Night[]): string {
  if (nights.length === 0) return "";
  const byMonth = Map.groupBy(nights, ({ date }) => date.slice(0, 7));
  const all = [...byMonth].toReversed().map(([month, of]) => monthTable(month, of));
  const older = all.slice(openMonths);
  const folded = `<details><summary>${older.length} earlier months</summary>\n<div class="months">\n${older.join("\n")}\n</div>\n</details>`;
  return `<section>
<h2>Nights</h2>
<div class="months">
${all.slice(0, openMonths).join("\n")}
</div>
${older.length === 0 ? "" : folded}
${legend(nights)}
<p class="soft">Days are UTC.</p>
</section>`;
}

function monthTable(month: string, nights: readonly Night[]): string {
  const first = new Date(`${month}-01T00:00:00Z`);
  const ahead = (first.getUTCDay() + 6) % 7;
  const count = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  const byDay = new Map(nights.map((night) => [Number(night.date.slice(8)), night]));
  const cells = [
    ...Array.from({ length: ahead }, () => "<td></td>"),
    ...Array.from({ length: count }, (_, at) => dayCell(at + 1, byDay.get(at + 1))),
  ];
  while (cells.length % 7 !== 0) cells.push("<td></td>");
  const firstDay = Math.min(...byDay.keys());
  const weeks = Array.from({ length: cells.length / 7 }, (_, week) => week)
    // Weeks before the first night tell nothing.
    .filter((week) => week * 7 + 7 - ahead >= firstDay)
    .map((week) => `<tr>${cells.slice(week * 7, week * 7 + 7).join("")}</tr>`);
  const head = weekdays.map((day) => `<th scope="col">${day}</th>`).join("");
  const name = `${months[first.getUTCMonth()]} ${first.getUTCFullYear()}`;
  return `<table class="month"><caption>${name}</caption>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${weeks.join("\n")}\n</tbody></table>`;
}

function dayCell(day: number, night: Night | undefined): string {
  if (night === undefined) return `<td class="day outside">${day}</td>`;
  const { state, upgrades, why = "" } = night;
  const changes = upgrades.map(({ result }) => `upgrade ${result}`);
  const told = [nightWord[state], why, ...changes].filter((part) => part !== "").join(", ");
  const mark =
    upgrades.length === 0 ? "" : `<span class="up" aria-hidden="true">${upgradeSign(night)}</span>`;
  const sign = `<span class="sign" aria-hidden="true">${signs[state]}</span>`;
  return `<td class="day ${state}" title="${escaped(told)}">${day}${sign}${mark}<span class="hidden">: ${escaped(told)}</span></td>`;
}

/** Up for an upgrade that passed, and the arrow back for any other. */
function upgradeSign({ upgrades }: Night): string {
  return upgrades.every(({ result }) => result === "passed" || result === "unchanged") ? "↑" : "↶";
}

function legend(nights: readonly Night[]): string {
  const states = (Object.keys(nightWord) as NightState[]).filter((state) =>
    nights.some((night) => night.state === state),
  );
  const items = states.map(
    (state) =>
      `<li><span class="day ${state}" aria-hidden="true"><span class="sign">${signs[state]}</span></span> ${nightWord[state]}</li>`,
  );
  const upgrades = nights.flatMap((night) =>
    night.upgrades.length === 0 ? [] : [upgradeSign(night)],
  );
  const arrows = [
    ["↑", "upgrade"],
    ["↶", "upgrade that did not pass"],
  ].filter(([sign = ""]) => upgrades.includes(sign));
  const signed = arrows.map(
    ([sign, word]) => `<li><span class="up" aria-hidden="true">${sign}</span> ${word}</li>`,
  );
  return `<ul class="legend">\n${[...items, ...signed].join("\n")}\n</ul>`;
}
