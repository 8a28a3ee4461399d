import { z } from "zod";
import type { Result } from "./result.ts";

const bytes = z.number().nonnegative();

/** One run as its repository remembers it. It has no message, because a message may contain what belongs to the stack. */
const runRecord = z.object({
  /** When the run ended, ISO 8601 UTC. */
  at: z.iso.datetime(),
  command: z.string(),
  /** `rehearsal` for an upgrade of a clone. */
  target: z.string().optional(),
  result: z.string(),
  class: z.string().optional(),
  seconds: z.number().nonnegative(),
  backupId: z.string().optional(),
  level: z.string().optional(),
  /** The components of the backup that was made. */
  components: z
    .array(
      z.object({
        name: z.string(),
        bytes,
        plainBytes: bytes.optional(),
        seconds: z.number().nonnegative().optional(),
      }),
    )
    .optional(),
  downtimeSeconds: z.number().nonnegative().optional(),
  /** The downtime that a rehearsal predicted for this upgrade. */
  predictedSeconds: z.number().nonnegative().optional(),
  /** The images of an upgrade by service. */
  images: z.record(z.string(), z.object({ from: z.string(), to: z.string() })).optional(),
  /** Free bytes of the repository's file system after the run. */
  freeBytes: bytes.optional(),
});

/** See {@link parseRunRecord}. */
export type RunRecord = z.infer<typeof runRecord>;

/** The record in one line; `undefined` if the line is none. Members of later versions are left out. */
export function parseRunRecord(line: string): RunRecord | undefined {
  try {
    return runRecord.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The commands whose runs are remembered: those that make, prove or change something. */
const remembered: readonly string[] = [
  ...["backup", "verify", "restore", "undo", "upgrade-test", "recover", "prune", "upload"],
];

/** Whether a run is one that the history is about. A plan is none. */
export function isRemembered(command: string, dryRun: boolean): boolean {
  return remembered.includes(command) && !dryRun;
}

/** What a run leaves to its repository's history. */
export function runRecordOf(
  result: Pick<Result, "result" | "seconds"> & Partial<Result>,
  about: {
    readonly command: string;
    readonly target?: string | undefined;
    readonly at: Date;
    readonly freeBytes?: number | undefined;
  },
): RunRecord {
  const { command, target, at, freeBytes } = about;
  const predicted = result.predicted as { readonly downtimeSeconds?: number } | undefined;
  const made = command === "backup" ? result.components : undefined;
  const images = result.services?.map(({ service, from, to }) => [service, { from, to }] as const);
  const given = {
    ...{ target, class: result.reason?.class, backupId: result.backupId, level: result.level },
    components: made?.map(({ name, bytes: size, plainBytes, seconds }) => ({
      ...{ name, bytes: size },
      ...(plainBytes === undefined ? {} : { plainBytes }),
      ...(seconds === undefined ? {} : { seconds: Math.max(0, seconds) }),
    })),
    downtimeSeconds: result.downtimeSeconds,
    predictedSeconds: predicted?.downtimeSeconds ?? result.rehearsal?.prediction?.downtimeSeconds,
    images: images === undefined ? undefined : Object.fromEntries(images),
    freeBytes,
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return {
    ...{ at: at.toISOString(), command, result: result.result },
    seconds: Math.max(0, result.seconds),
    ...Object.fromEntries(present),
  };
}
