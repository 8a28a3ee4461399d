import { z } from "zod";
import type { JournalSpec } from "../../upgrade/journal.ts";

const replacement = z.object({
  target: z.string(),
  stamp: z.string(),
  place: z.object({
    mounts: z.array(
      z.object({ path: z.string(), readOnly: z.boolean(), volume: z.string().optional() }),
    ),
  }),
});

/** A container as it was before the restore. */
const stopped = z.object({
  id: z.string(),
  service: z.string(),
  restartPolicy: z.string(),
  ran: z.boolean(),
  healthy: z.boolean(),
});

/** The steps of a restore that change the host, in their order; undone as a whole, newest first. */
export const restoreSteps = {
  /** Every container of the stack, dependencies first. */
  stop: z.object({ containers: z.array(stopped) }),
  /** A place whose content is renamed away. */
  "set-aside": replacement,
  /** An archive that is put into such a place. */
  "replace-tree": replacement,
  /** A database that is filled in a server which began empty: gone when its volume is. */
  "replace-database": z.looseObject({}),
} as const;

/** The journal of `restore`. */
export const restoreJournal = {
  operation: "restore",
  phases: ["restore"],
  steps: restoreSteps,
} as const satisfies JournalSpec;

/** One of {@link restoreJournal}'s containers. */
export type StoppedContainer = z.infer<typeof stopped>;
/** One of {@link restoreJournal}'s replacements. */
export type JournalledReplacement = z.infer<typeof replacement>;
