import { reaches, type VerifyLevel } from "./marks.ts";
import type { RunRecord } from "./run-record.ts";

/** One component of a kept backup. */
interface KeptComponent {
  readonly name: string;
  readonly bytes: number;
  readonly plainBytes: number;
  readonly seconds: number;
}

/** A backup that is in the repository. */
export interface KeptBackup {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly bytes: number;
  readonly level: VerifyLevel | null;
  /** When it was last verified. */
  readonly verifiedAt: string | null;
  readonly problem: string | null;
  /** The destinations that hold a proven copy. */
  readonly remotes: readonly string[];
  readonly components: readonly KeptComponent[];
}

/** A rehearsal that reached a verdict. */
export interface PastRehearsal {
  readonly at: string;
  readonly result: string;
  readonly images: Readonly<Record<string, { readonly from: string; readonly to: string }>>;
  readonly predictedSeconds?: number;
  readonly actualSeconds?: number;
}

/** Everything that a repository tells of a stack's past. */
export interface History {
  readonly project: string;
  readonly repository: string;
  /** When it was read, ISO 8601 UTC. */
  readonly at: string;
  /** Newest first. */
  readonly backups: readonly KeptBackup[];
  /** Oldest first. */
  readonly runs: readonly RunRecord[];
  /** Newest first. */
  readonly rehearsals: readonly PastRehearsal[];
  /** The newest backup with a proven copy off this host, by its marks. */
  readonly offHost: {
    readonly backupId: string;
    readonly createdAt: string;
    readonly remotes: readonly string[];
  } | null;
  /** The repository's file system. */
  readonly disk?: { readonly freeBytes: number; readonly totalBytes: number };
}

/** What became of one night. A level: a good backup is kept and was verified so far. */
export type NightState =
  | VerifyLevel
  | "unverified"
  | "damaged"
  | "removed"
  | "failed"
  | "missing"
  | "none";

/** One day of the calendar, by UTC. */
export interface Night {
  /** `2026-01-31`. */
  readonly date: string;
  readonly state: NightState;
  readonly backups: readonly KeptBackup[];
  /** The upgrades of that day. */
  readonly upgrades: readonly RunRecord[];
  /** Why a night is damaged or failed: a problem, or the class of the failure. */
  readonly why?: string;
}

const dayMs = 86_400_000;
const mostDays = 371;

const order: readonly (VerifyLevel | null)[] = [null, "checksum", "contents", "restore"];

/** Whether it can be trusted as far as is known. */
export function isGoodBackup({ problem }: KeptBackup): boolean {
  return problem === null;
}

/** Days in a row from the first backup or run to today, at most 53 weeks. */
export function nightsOf({ backups, runs, at }: History): Night[] {
  const today = dayOf(at);
  const days = [...backups.map(({ createdAt }) => createdAt), ...runs.map((run) => run.at)]
    .map(dayOf)
    .filter((day) => day <= today);
  if (days.length === 0) return [];
  const first = Math.max(Math.min(...days), today - mostDays + 1);
  const made = madeOn(backups, runs);
  const rhythm = rhythmOf([...made].toSorted((a, b) => a - b));
  let last: number | undefined = Math.max(...[...made].filter((day) => day < first), -1);
  if (last < 0) last = undefined;
  const nights: Night[] = [];
  for (let day = first; day <= today; day += 1) {
    const isDue = last !== undefined && (day - last) % rhythm === 0 && day < today;
    const of = <T>(all: readonly T[], when: (one: T) => string) =>
      all.filter((one) => dayOf(when(one)) === day);
    nights.push(
      nightOf(
        day,
        of(backups, (one) => one.createdAt),
        of(runs, (run) => run.at),
        isDue,
      ),
    );
    if (made.has(day)) last = day;
  }
  return nights;
}

function nightOf(
  day: number,
  backups: readonly KeptBackup[],
  runs: readonly RunRecord[],
  isDue: boolean,
): Night {
  const upgrades = runs.filter(
    ({ command, target }) => command === "upgrade-test" && target === undefined,
  );
  const told = { date: dateText(day), backups, upgrades };
  const good = backups.filter(isGoodBackup);
  const best = order.findLast((level) => good.some((one) => one.level === level));
  if (best !== undefined) return { ...told, state: best ?? "unverified" };
  const [damaged] = backups;
  if (damaged !== undefined) return { ...told, state: "damaged", why: damaged.problem ?? "" };
  const tries = runs.filter(({ command }) => command === "backup");
  if (tries.some(isMade)) return { ...told, state: "removed" };
  const failed = tries.at(-1);
  if (failed !== undefined) {
    return { ...told, state: "failed", why: failed.class ?? failed.result };
  }
  return { ...told, state: isDue ? "missing" : "none" };
}

function isMade({ command, result }: RunRecord): boolean {
  return command === "backup" && (result === "backed-up" || result === "upload-failed");
}

function madeOn(backups: readonly KeptBackup[], runs: readonly RunRecord[]): Set<number> {
  return new Set([
    ...backups.map(({ createdAt }) => dayOf(createdAt)),
    ...runs.filter(isMade).map(({ at }) => dayOf(at)),
  ]);
}

/** Days from one backup to the next, as usual: a weekly schedule misses no Tuesday. */
function rhythmOf(days: readonly number[]): number {
  const gaps = days.slice(1).map((day, at) => day - (days[at] ?? day));
  return Math.max(1, median(gaps) ?? 1);
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

/** What the last nights say about the disk. */
type DiskForecast =
  | { readonly kind: "unknown" }
  | { readonly kind: "steady" }
  | { readonly kind: "full"; readonly on: string; readonly bytesPerDay: number };

const farMs = 5 * 365 * dayMs;

/** When the disk of the repository is full if it goes on as in the last 30 days. Needs five runs over three days. */
export function diskForecast({ runs, disk, at }: History): DiskForecast {
  const now = Date.parse(at);
  const points = runs
    .filter((run) => run.freeBytes !== undefined && now - Date.parse(run.at) <= 30 * dayMs)
    .map((run) => ({ x: (Date.parse(run.at) - now) / dayMs, y: run.freeBytes ?? 0 }));
  const [first] = points;
  if (disk === undefined || points.length < 5 || first === undefined || first.x > -3) {
    return { kind: "unknown" };
  }
  const perDay = -slopeOf(points);
  const leftMs = (disk.freeBytes / perDay) * dayMs;
  if (perDay <= 0 || leftMs > farMs) return { kind: "steady" };
  const on = new Date(now + leftMs).toISOString().slice(0, 10);
  return { kind: "full", on, bytesPerDay: perDay };
}

/** The slope of the line that fits best. */
function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const mean = (of: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const over = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0);
  const under = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

/** One backup as a point in time; from the history where the backup itself is gone. */
export interface SizePoint {
  readonly at: string;
  readonly components: readonly Partial<KeptComponent>[];
}

/** Every backup whose sizes are known, oldest first. */
export function sizePoints({ backups, runs }: History): SizePoint[] {
  const kept = new Set(backups.map(({ id }) => id));
  const gone = runs
    .filter((run) => isMade(run) && run.components !== undefined && !kept.has(run.backupId ?? ""))
    .map(({ at, components = [] }) => ({ at, components: components as Partial<KeptComponent>[] }));
  const present = backups
    .filter(({ components }) => components.length > 0)
    .map(({ createdAt, components }) => ({ at: createdAt, components }));
  return [...gone, ...present].toSorted((a, b) => (a.at < b.at ? -1 : 1));
}

/** One upgrade or rehearsal. */
export interface PastChange {
  readonly at: string;
  readonly kind: "upgrade" | "rehearsal";
  readonly result: string;
  readonly images: readonly string[];
  readonly predictedSeconds?: number | undefined;
  readonly actualSeconds?: number | undefined;
}

/** Upgrades and rehearsals, newest first. */
export function changesOf({ runs, rehearsals }: History): PastChange[] {
  const upgrades = runs
    .filter(({ command, target, result }) => {
      return command === "upgrade-test" && target === undefined && result !== "unchanged";
    })
    .map((run): PastChange => {
      const { at, result, images = {}, predictedSeconds, downtimeSeconds } = run;
      const told = { at, result, images: imageTexts(images), predictedSeconds };
      return { ...told, kind: "upgrade", actualSeconds: downtimeSeconds };
    });
  const tried = rehearsals.map(({ at, result, images, predictedSeconds }): PastChange => {
    return { at, kind: "rehearsal", result, images: imageTexts(images), predictedSeconds };
  });
  return [...upgrades, ...tried].toSorted((a, b) => (a.at < b.at ? 1 : -1));
}

function imageTexts(images: PastRehearsal["images"]): string[] {
  return Object.entries(images).map(([service, { from, to }]) => {
    const name = (image: string) => image.replace(/:[^:/]*$/, "");
    const short = name(from) === name(to) ? to.slice(name(to).length + 1) : to;
    return `${service}: ${from} → ${short === "" ? to : short}`;
  });
}

/** The newest good backup that was restored in a test, else the newest that was verified at all. */
export function newestProven({ backups }: History): KeptBackup | undefined {
  const good = backups.filter((one) => isGoodBackup(one) && reaches(one.level, "checksum"));
  return good.find(({ level }) => level === "restore") ?? good[0];
}

function dayOf(time: string): number {
  return Math.floor(Date.parse(time) / dayMs);
}

function dateText(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}
