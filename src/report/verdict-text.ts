import { exitCodeOf } from "../core/errors.ts";
import { formatAge, formatBytes, formatSeconds } from "../core/format.ts";
import { timeOfBackup } from "../model/backup-id.ts";
import type { Result, ResultName } from "../model/result.ts";
import { trendText } from "../model/trend.ts";

/** What each result word means, as a sentence for somebody who was woken up. */
const sentences: Readonly<Record<ResultName, string>> = {
  "backed-up": "Backup made",
  verified: "Backup verified",
  restored: "Restore done",
  passed: "Upgrade done: the new version is running on its data (verified)",
  unchanged: "Nothing to do: the stack is as it was wanted",
  recovered: "An interrupted operation was finished or undone",
  clean: "The log shows no failed start",
  listed: "Backups of this stack",
  pruned: "Old backups removed",
  uploaded: "Backups sent off this host, and proven there",
  planned: "Plan only: nothing was changed",
  error: "Stopped by a bug of Sophon Keeper",
  refused: "Refused: nothing was changed",
  "backup-failed": "Backup failed: none was stored",
  "upload-failed": "Backup made on this host, but its upload failed",
  damaged: "The backup is damaged or cannot be restored",
  stale: "The newest backup is too old, or there is none",
  failed: "The log shows a failed start",
  unverifiable: "Could not be verified, which does not mean good",
  "rolled-back": "Failed; the previous state was restored (verified)",
  "rollback-failed": "The rollback failed: a person must act, see below",
  "restart-failed": "A stopped service did not start again: a person must act, see below",
  locked: "Another operation is running on this stack",
  cancelled: "Cancelled",
};

/** Where a command says it better. The key is `command result`. */
const sentencesOfCommands: Readonly<Record<string, string>> = {
  "upgrade-test rolled-back":
    "Upgrade failed; the old version is running on its own data (verified)",
  "upgrade-test rollback-failed": "Upgrade and rollback failed: a person must act, see below",
  "upgrade-test cancelled": "Upgrade cancelled",
  "rehearsal passed": "The new version works on a copy of your data, and the rollback works",
  "rehearsal failed": "The new version does not work on a copy of your data",
  "rehearsal damaged": "Not rehearsed: the backup is damaged or cannot be restored",
  "rehearsal stale": "Not rehearsed: the backup is too old",
  "rehearsal unverifiable": "Could not be rehearsed, which does not mean good",
  "rehearsal unchanged": "Nothing to rehearse: the images are those of the backup",
  "rehearsal refused": "Not rehearsed: refused, nothing was changed",
  "rehearsal cancelled": "Rehearsal cancelled",
  "upgrade-test unchanged": "Nothing to upgrade: the stack runs these images already",
  "restore rolled-back": "Restore failed; the stack is running on the data of before (verified)",
  "restore rollback-failed": "Restore and its undo failed: a person must act, see below",
  "restore cancelled": "Restore cancelled",
  "report listed": "The history of this stack was written",
  "init passed": "Keys and schedule are there; no backup was made yet",
  "init verified": "Keys and schedule are there; the first backup was made and restored in a test",
  "doctor clean": "Nothing has to be mended",
  "doctor failed": "Something has to be mended",
  "doctor refused": "There is no stack here that can be backed up",
  "backup cancelled": "Backup cancelled: none was stored",
};

const levels: Readonly<Record<string, string>> = {
  checksum: "every checksum",
  contents: "its whole contents",
  restore: "a test restore",
};

/** Whether the run succeeded; decides signs and colours. */
export function isGood(result: Pick<Result, "result">): boolean {
  return exitCodeOf[result.result] === 0;
}

/** The members of a result that its sentence is about. */
type Told = Pick<Result, "result" | "level" | "rehearsal" | "backupId"> &
  Partial<Pick<Result, "bytes" | "kept" | "offHost">>;

/** The outcome as a sentence. */
export function headline({ result, level, ...rest }: Told, asked: string): string {
  const command = rest.rehearsal === undefined ? asked : "rehearsal";
  if (result === "backed-up") {
    return [sentences[result], madeFacts(rest)].filter((part) => part !== "").join(": ");
  }
  const by = result === "verified" && level !== undefined ? levels[level] : undefined;
  const sentence = sentencesOfCommands[`${command} ${result}`] ?? sentences[result];
  return by === undefined ? sentence : `${sentence} by ${by}`;
}

/** What one wants to know of a backup before anything else: `2.9 GiB, 12 kept, newest copy off this host 3 h old`. */
function madeFacts({ backupId, offHost, ...sizes }: Omit<Told, "result">): string {
  const newest = offHost as { readonly backupId: string } | null | undefined;
  return [
    ...sizeFacts(sizes),
    ...(newest === null || newest === undefined || backupId === undefined
      ? []
      : [offHostFact(backupId, newest.backupId)]),
  ].join(", ");
}

function sizeFacts({ bytes, kept }: Partial<Pick<Result, "bytes" | "kept">>): string[] {
  return [
    ...(typeof bytes === "number" ? [formatBytes(bytes)] : []),
    ...(Array.isArray(kept) ? [`${kept.length} kept`] : []),
  ];
}

function offHostFact(now: string, newest: string): string {
  if (newest === now) return "also off this host";
  const ageMs = timeOfBackup(now).getTime() - timeOfBackup(newest).getTime();
  return `newest copy off this host ${formatAge(ageMs / 1000)} old`;
}

/** The facts next to the verdict: result word, backup, level, downtime, duration. */
export function verdictFacts(result: Result): string[] {
  const { backupId, level, downtimeSeconds: downtime, seconds } = result;
  const { result: word } = result;
  return [
    `result ${word}`,
    // The sentence about a new backup has them.
    ...(word === "backed-up" ? [] : sizeFacts({ bytes: result.bytes, kept: result.kept })),
    ...(backupId === undefined ? [] : [`backup ${backupId}`]),
    ...(level === undefined ? [] : [`level ${level}`]),
    ...(downtime === undefined ? [] : [`downtime ${formatSeconds(downtime)}`]),
    `took ${formatSeconds(seconds)}`,
    ...(result.trend === undefined ? [] : [trendText(result.trend)]),
  ];
}

/** A bar of a timeline. Its position and width are percentages of the whole. */
export interface Bar {
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

/** The downtime by itself: which phases it was spent in. Its bars are percentages of the downtime and not of the run. */
export function downtimeBars({ timeline }: Pick<Result, "timeline">): Bar[] {
  const downtime = timeline?.downtime;
  if (timeline === undefined || downtime === undefined || downtime.seconds <= 0) return [];
  const end = downtime.fromSeconds + downtime.seconds;
  return timeline.phases.flatMap(({ phase, fromSeconds, seconds }) => {
    const from = Math.max(fromSeconds, downtime.fromSeconds);
    const within = Math.min(fromSeconds + seconds, end) - from;
    if (within <= 0) return [];
    const left = (100 * (from - downtime.fromSeconds)) / downtime.seconds;
    const width = Math.min(100 - left, Math.max(leastPercent, (100 * within) / downtime.seconds));
    return [{ name: phase, fromSeconds: from, seconds: within, left, width, isDowntime: true }];
  });
}

/** Seconds since the start, as a clock: `0:07.3`. */
export function clockText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - minutes * 60).toFixed(1).padStart(4, "0")}`;
}
