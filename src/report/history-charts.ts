import { formatBytes, formatSeconds } from "../core/format.ts";
import {
  changesOf,
  diskForecast,
  type History,
  type PastChange,
  type SizePoint,
  sizePoints,
} from "../model/history.ts";
import { escaped, section, table } from "./html.ts";

/** The drawing's own units; it is as wide as its place. */
const [width, height, above, below] = [320, 110, 8, 18];

/** One value of a line. */
interface Point {
  /** Milliseconds since 1970. */
  readonly x: number;
  readonly y: number;
}

interface Scale {
  readonly from: number;
  readonly to: number;
  readonly top: number;
}

/** Size and duration of each store over time: a small chart each, and all numbers in a table. */
export function storeCharts(history: History): string {
  const points = sizePoints(history);
  const names = [
    ...new Set(points.flatMap((point) => point.components.map(({ name }) => name ?? ""))),
  ];
  if (points.length < 2 || names.length === 0) return "";
  const figures = names.map((name) => storeFigure(name, points));
  return `<section>
<h2>Stores</h2>
<p class="key"><span class="size">—</span> size before compression, <span class="took">- -</span> time of the copy; each from 0 to its own highest value</p>
<div class="charts">
${figures.join("\n")}
</div>
<details><summary>All sizes and times</summary>
${sizeTable(names, points)}
</details>
</section>`;
}

function storeFigure(name: string, points: readonly SizePoint[]): string {
  const values = (of: "plainBytes" | "seconds") =>
    points.flatMap(({ at, components }): Point[] => {
      const y = components.find((one) => one.name === name)?.[of];
      return y === undefined ? [] : [{ x: Date.parse(at), y }];
    });
  const [sizes, times] = [values("plainBytes"), values("seconds")];
  const scale = { from: Date.parse(points[0]?.at ?? ""), to: Date.parse(points.at(-1)?.at ?? "") };
  const [first, last] = [sizes[0]?.y ?? 0, sizes.at(-1)?.y ?? 0];
  const change =
    first === 0 ? "" : ` (${percentText(last / first - 1)} since ${dateText(sizes[0]?.x)})`;
  const key = [
    `${formatBytes(last)}${change}`,
    ...(times.length === 0 ? [] : [formatSeconds(times.at(-1)?.y ?? 0)]),
  ].join(", ");
  const topSize = Math.max(1, ...sizes.map(({ y }) => y));
  const topTime = Math.max(0.01, ...times.map(({ y }) => y));
  const label = `${name}: from ${formatBytes(first)} to ${formatBytes(last)} in ${sizes.length} backups`;
  const drawn = [
    grid(scale),
    lineOf(sizes, { ...scale, top: topSize }, "line"),
    lineOf(times, { ...scale, top: topTime }, "line time"),
  ];
  return `<figure><figcaption>${escaped(name)}</figcaption>
<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">${drawn.join("")}</svg>
<p class="key">${escaped(key)}</p></figure>`;
}

/** Free space over time and, dashed, as it goes on. */
export function diskChart(history: History): string {
  const { runs, disk, at } = history;
  const points = runs.flatMap((run): Point[] =>
    run.freeBytes === undefined ? [] : [{ x: Date.parse(run.at), y: run.freeBytes }],
  );
  const forecast = diskForecast(history);
  if (disk === undefined || points.length < 5) return "";
  const [first, now] = [points[0]?.x ?? 0, Date.parse(at)];
  const ahead = forecast.kind === "full" ? aheadOf(history, Date.parse(forecast.on), first) : [];
  const until = ahead.at(-1)?.x ?? now;
  const scale = { from: first, to: until, top: Math.max(...points.map(({ y }) => y), 1) };
  const told = {
    unknown: () => "Too few runs to tell when the disk is full.",
    steady: () => "At this rate the disk of the backups does not fill up.",
    full: ({ on, bytesPerDay }: { on: string; bytesPerDay: number }) =>
      `If it goes on as in the last 30 days, the disk of the backups is full about ${on}: ${formatBytes(bytesPerDay)} a day.`,
  };
  const sentence = forecast.kind === "full" ? told.full(forecast) : told[forecast.kind]();
  const label = `Free space from ${formatBytes(points[0]?.y ?? 0)} to ${formatBytes(disk.freeBytes)}`;
  return `<section>
<h2>Disk</h2>
<p>${sentence}</p>
<div class="charts"><figure><figcaption>Free space</figcaption>
<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">${grid(scale)}${lineOf(points, scale, "line")}${lineOf(ahead, scale, "ahead")}</svg>
<p class="key">${formatBytes(disk.freeBytes)} of ${formatBytes(disk.totalBytes)} free now</p></figure></div>
</section>`;
}

/** The line to the day when the disk is full; as far ahead as it looks back, at most. */
function aheadOf({ disk, at }: History, fullAt: number, first: number): Point[] {
  const [now, free] = [Date.parse(at), disk?.freeBytes ?? 0];
  const until = Math.min(fullAt, now + (now - first));
  const left = free * (1 - (until - now) / Math.max(1, fullAt - now));
  return [
    { x: now, y: free },
    { x: until, y: Math.max(0, left) },
  ];
}

/** Upgrades and rehearsals: what was predicted, and what it was. */
export function changeSection(history: History): string {
  const changes = changesOf(history);
  const longest = Math.max(
    ...changes.flatMap(({ predictedSeconds = 0, actualSeconds = 0 }) => [
      predictedSeconds,
      actualSeconds,
    ]),
    0.01,
  );
  const head = [
    "when !",
    "what !",
    "images",
    "result !",
    "predicted #",
    "downtime #",
    "of the longest",
  ];
  const rows = changes.map((change) => [
    `${change.at.slice(0, 16).replace("T", " ")} UTC`,
    change.kind,
    change.images.map(imageCell).join("<br>"),
    resultCell(change),
    secondsText(change.predictedSeconds),
    secondsText(change.actualSeconds),
    foretold(change, longest),
  ]);
  return section("Upgrades and rehearsals", head, rows);
}

function resultCell({ result }: PastChange): string {
  return `<span class="${result === "passed" ? "pass" : "fail"}">${escaped(result)}</span>`;
}

/** The downtime filled, the prediction as a frame around it; the cells beside it have the numbers. */
function foretold({ predictedSeconds, actualSeconds }: PastChange, longest: number): string {
  if (predictedSeconds === undefined && actualSeconds === undefined) return "";
  const bar = (seconds: number | undefined, kind: string, y: number, high: number) =>
    seconds === undefined
      ? ""
      : `<rect class="${kind}" x="1" y="${y}" width="${Math.max(0.5, (97 * seconds) / longest).toFixed(1)}%" height="${high}"/>`;
  const bars = `${bar(actualSeconds, "actual", 5, 10)}${bar(predictedSeconds, "wanted", 2, 16)}`;
  return `<svg class="foretold" aria-hidden="true">${bars}</svg>`;
}

function secondsText(seconds: number | undefined): string {
  return seconds === undefined ? "" : formatSeconds(seconds);
}

function sizeTable(names: readonly string[], points: readonly SizePoint[]): string {
  const head = ["made !", ...names.map((name) => `${escaped(name)} #`)];
  const rows = points.toReversed().map(({ at, components }) => [
    at.slice(0, 10),
    ...names.map((name) => {
      const one = components.find((component) => component.name === name);
      if (one?.plainBytes === undefined) return "";
      const took = one.seconds === undefined ? "" : `, ${formatSeconds(one.seconds)}`;
      return `${formatBytes(one.plainBytes)}${took}`;
    }),
  ]);
  return `<div class="wide" tabindex="0" role="region" aria-label="All sizes and times">${table(head, rows)}</div>`;
}

/** The base line with the first and the last day. */
function grid({ from, to }: Pick<Scale, "from" | "to">): string {
  const base = height - below;
  return `<line class="grid" x1="0" x2="${width}" y1="${base}" y2="${base}"/><text x="2" y="${height - 5}">${dateText(from)}</text><text x="${width - 2}" y="${height - 5}" text-anchor="end">${dateText(to)}</text>`;
}

function lineOf(points: readonly Point[], { from, to, top }: Scale, kind: string): string {
  if (points.length === 0) return "";
  const room = height - above - below;
  const at = ({ x, y }: Point) => {
    const across = to === from ? 0.5 : (x - from) / (to - from);
    return `${(2 + across * (width - 4)).toFixed(1)},${(above + room * (1 - y / top)).toFixed(1)}`;
  };
  return `<polyline class="${kind}" points="${points.map(at).join(" ")}"/>`;
}

function percentText(change: number): string {
  return `${change < 0 ? "−" : "+"}${Math.abs(100 * change).toFixed(0)} %`;
}

function dateText(time: number | undefined): string {
  return new Date(time ?? 0).toISOString().slice(0, 10);
}

/** An image that breaks after a slash rather than within its version. */
function imageCell(image: string): string {
  return `<code>${escaped(image).replaceAll("/", "/<wbr>")}</code>`;
}
