import { z } from "zod";
import { dependenciesShape, pinsShape, projectShape } from "../live-stack/journal-shapes.ts";
import type { JournalSpec } from "../session/journal.ts";
import type { Session } from "../session/session.ts";

const replacement = z.object({
  target: z.string(),
  stamp: z.string(),
  place: z.object({
    mounts: z.array(
      z.object({ path: z.string(), readOnly: z.boolean(), volume: z.string().optional() }),
    ),
  }),
});

const texts = z.array(z.string());

/** A container as it was before the restore. */
const stopped = z.object({
  id: z.string(),
  /** Journals of earlier versions lack it: none of their containers was made anew. */
  name: z.string().default(""),
  service: z.string(),
  restartPolicy: z.string(),
  ran: z.boolean(),
  healthy: z.boolean(),
  /** Journals of earlier versions lack both. */
  imageId: z.string().default(""),
  state: z.string().default(""),
});

const bothPins = z.object({ forward: pinsShape, backward: pinsShape, work: z.string() });

/** What Compose is about to make, and what was there before. */
const creation = z.object({
  project: projectShape,
  services: texts,
  containers: z.array(z.object({ id: z.string(), name: z.string(), service: z.string() })),
  volumes: texts,
  networks: texts,
  /** Directories that were not there, outermost first. */
  directories: texts,
  /** How many containers each service had. */
  scale: z.record(z.string(), z.number()),
  /** What each service needs, by the files. Absent in journals of earlier versions. */
  needs: z.record(z.string(), texts).optional(),
});

/** The steps of a restore that change the host, in their order; undone as a whole, newest first. */
export const restoreSteps = {
  /** Files of the stack that were not there, and the directories above them that were not either. */
  files: z.object({ paths: texts, directories: texts, mounts: texts }),
  /** Every container of the stack, dependencies first. */
  stop: z.object({
    containers: z.array(stopped),
    dependencies: dependenciesShape.optional(),
  }),
  /** Images that the containers ran, kept from being pruned. */
  keep: z.object({ images: z.array(z.object({ id: z.string(), service: z.string() })) }),
  /** The project's files come to name the backup's images; `backward` names those that ran. */
  pin: bothPins,
  create: creation,
  /** A place whose content is renamed away. */
  "set-aside": replacement,
  /** An archive that is put into such a place. */
  "replace-tree": replacement,
  /** A database that is filled in a server which began empty: gone when its volume is. */
  "replace-database": z.looseObject({}),
  /** Every store is filled and counted; from here on the restored stack may hold somebody's work. */
  start: z.object({}),
  /** It passed its checks: the restore is finished from here on, not undone. What is discarded is nobody's. */
  restored: z.object({ discard: z.array(replacement) }),
} as const;

/** The journal of `restore`. */
export const restoreJournal = {
  operation: "restore",
  phases: ["restore"],
  steps: restoreSteps,
} as const satisfies JournalSpec;

/** One of {@link restoreJournal}'s containers. */
export type StoppedContainer = z.infer<typeof stopped>;
/** What {@link restoreJournal} says of the images in the project's files. */
export type JournalledPins = z.infer<typeof bothPins>;
/** What {@link restoreJournal} says of containers that are made. */
export type JournalledCreation = z.infer<typeof creation>;
/** One of {@link restoreJournal}'s replacements. */
export type JournalledReplacement = z.infer<typeof replacement>;

/** A restore under way. */
export type RestoreSession = Session<typeof restoreJournal>;
