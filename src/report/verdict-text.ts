import { exitCodeOf } from "../core/errors.ts";
import { formatSeconds } from "../core/format.ts";
import type { Result, ResultName } from "../model/result.ts";

/** Explains result words that do not explain themselves. */
const meanings: Readonly<Partial<Record<ResultName, string>>> = {
  passed: "the new version runs on its data",
  unchanged: "there was nothing to do",
  planned: "this is the plan, nothing was changed",
  refused: "nothing was changed",
  "rolled-back": "the previous state was restored and checked",
  "rollback-failed": "a person must act, see below",
  "restart-failed": "a person must act, see below",
  cancelled: "the run was cancelled",
  unverifiable: "could not be verified, which does not mean good",
};

/** Whether the run succeeded; decides signs and colours. */
export function isGood(result: Pick<Result, "result">): boolean {
  return exitCodeOf[result.result] === 0;
}

/** The result word and its meaning. */
export function verdictText(result: Pick<Result, "result">): string {
  const meaning = meanings[result.result];
  return meaning === undefined ? result.result : `${result.result}: ${meaning}`;
}

/** The facts next to the verdict: backup, level, downtime, duration. */
export function verdictFacts(result: Result): string[] {
  const { backupId, level, downtimeSeconds: downtime, seconds } = result;
  return [
    ...(backupId === undefined ? [] : [`backup ${backupId}`]),
    ...(level === undefined ? [] : [`level ${level}`]),
    ...(downtime === undefined ? [] : [`downtime ${formatSeconds(downtime)}`]),
    `took ${formatSeconds(seconds)}`,
  ];
}

/** A bar of the timeline. Its position and width are percentages of the whole run. */
interface Bar {
  readonly name: string;
  readonly fromSeconds: number;
  readonly seconds: number;
  readonly left: number;
  readonly width: number;
  readonly isDowntime: boolean;
}

const leastPercent = 0.4;

/** The timeline as bars: the phases in order, and the downtime after the phase in which it began. */
export function timelineBars({ timeline }: Pick<Result, "timeline">): Bar[] {
  if (timeline === undefined || timeline.phases.length < 2) return [];
  const { phases, downtime } = timeline;
  const last = phases.at(-1);
  const whole = Math.max(0.001, (last?.fromSeconds ?? 0) + (last?.seconds ?? 0));
  const bar = (name: string, fromSeconds: number, seconds: number, isDowntime: boolean): Bar => {
    const left = Math.min(100 - leastPercent, (100 * fromSeconds) / whole);
    const width = Math.min(100 - left, Math.max(leastPercent, (100 * seconds) / whole));
    return { name, fromSeconds, seconds, left, width, isDowntime };
  };
  const bars = phases.map((one) => bar(one.phase, one.fromSeconds, one.seconds, false));
  if (downtime === undefined) return bars;
  const at = phases.findLastIndex(({ fromSeconds }) => fromSeconds <= downtime.fromSeconds);
  return bars.toSpliced(at + 1, 0, bar("downtime", downtime.fromSeconds, downtime.seconds, true));
}

/** Seconds since the start, as a clock: `0:07.3`. */
export function clockText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - minutes * 60).toFixed(1).padStart(4, "0")}`;
}
