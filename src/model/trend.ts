import type { Trend } from "./result.ts";
import type { RunRecord } from "./run-record.ts";

const nights = 7;
/** Fewer backups say nothing about what is usual. */
const least = 3;
const dayMs = 86_400_000;
/** A store that was smaller than this may well be emptied. */
const smallBytes = 2 ** 20;

/** Compares a backup with the last seven before it; undefined if there are fewer than three. */
export function trendOf(now: RunRecord, earlier: readonly RunRecord[]): Trend | undefined {
  const last = madeBefore(earlier);
  const [data, usual] = [dataOf(now), median(last.map(dataOf))];
  const usualSeconds = median(last.map(({ seconds }) => seconds));
  if (last.length < least || usual === 0 || usualSeconds === 0) return undefined;
  return {
    nights: last.length,
    dataChange: data / usual - 1,
    slowness: now.seconds / usualSeconds,
  };
}

/** The trend in a few words, such as `+14 % data, 3.0× slower than usual`. */
export function trendText({ dataChange, slowness, nights: count }: Trend): string {
  const percent = Math.round(100 * dataChange);
  const sign = percent < 0 ? "−" : "+";
  const data = percent === 0 ? "as much data" : `${sign}${Math.abs(percent)} % data`;
  const times = (factor: number) => `${factor.toFixed(1)}×`;
  const speed =
    slowness >= 1.5
      ? `, ${times(slowness)} slower`
      : slowness <= 1 / 1.5
        ? `, ${times(1 / slowness)} faster`
        : "";
  const than = percent === 0 && speed === "" ? "as" : "than";
  return `${data}${speed} ${than} usual (last ${count} backups)`;
}

/** What nobody looks at: data that is suddenly gone, and backups that nothing has verified for a week. */
export function trendWarnings(now: RunRecord, earlier: readonly RunRecord[]): readonly string[] {
  const last = madeBefore(earlier);
  if (last.length < least) return [];
  return [...shrunk(now, last), ...neverVerified(now, earlier)];
}

function shrunk({ components = [] }: RunRecord, last: readonly RunRecord[]): string[] {
  return components.flatMap(({ name, plainBytes, bytes }) => {
    const before = last.flatMap((run) => run.components?.filter((one) => one.name === name) ?? []);
    const usual = median(before.map((one) => one.plainBytes ?? one.bytes));
    const size = plainBytes ?? bytes;
    if (before.length < least || usual < smallBytes || size > usual / 2) return [];
    const lost = Math.round(100 * (1 - size / usual));
    return [
      `${name} has ${lost} % less data than in the last ${before.length} backups: was it emptied?`,
    ];
  });
}

function neverVerified(now: RunRecord, earlier: readonly RunRecord[]): string[] {
  const week = Date.parse(now.at) - 7 * dayMs;
  const first = earlier[0];
  // A history that is younger than a week does not tell.
  if (first === undefined || Date.parse(first.at) > week) return [];
  const proofs = earlier.filter(
    ({ command, result, level }) =>
      (command === "verify" || command === "restore") &&
      (result === "restored" || (result === "verified" && isDeep(level))),
  );
  if (proofs.some(({ at }) => Date.parse(at) >= week)) return [];
  return ["no backup was restored or read to its end for a week: run verify with level restore"];
}

function isDeep(level: string | undefined): boolean {
  return level === "contents" || level === "restore";
}

function madeBefore(earlier: readonly RunRecord[]): RunRecord[] {
  const made = earlier.filter(
    ({ command, result, components }) =>
      command === "backup" && result === "backed-up" && components !== undefined,
  );
  return made.slice(-nights);
}

function dataOf({ components = [] }: RunRecord): number {
  return components.reduce((sum, { plainBytes, bytes }) => sum + (plainBytes ?? bytes), 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}
