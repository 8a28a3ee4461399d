import { z } from "zod";
import {
  anonymousShape,
  dependenciesShape,
  pinsShape,
  projectShape,
} from "../live-stack/journal-shapes.ts";
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

/** The state of a container before the restore. */
const stopped = z.object({
  id: z.string(),
  /** Journals of earlier versions lack it: those versions recreated no containers. */
  name: z.string().default(""),
  service: z.string(),
  restartPolicy: z.string(),
  ran: z.boolean(),
  healthy: z.boolean(),
  /** Journals of earlier versions lack both. */
  imageId: z.string().default(""),
  state: z.string().default(""),
  /** Journals of earlier versions lack both. */
  imageReference: z.string().default(""),
  health: z.string().default(""),
});

const bothPins = z.object({ forward: pinsShape, backward: pinsShape, work: z.string() });

/** The containers that Compose is about to create, and the parts of the project that existed before. */
const creation = z.object({
  project: projectShape,
  services: texts,
  containers: z.array(
    z.object({
      ...{ id: z.string(), name: z.string(), service: z.string() },
      /** Absent for none, and in journals of earlier versions. */
      anonymous: anonymousShape.optional(),
    }),
  ),
  volumes: texts,
  networks: texts,
  /** Directories that did not exist, outermost first. */
  directories: texts,
  /** How many containers each service had. */
  scale: z.record(z.string(), z.number()),
  /** The dependencies of each service, by the files. Absent in journals of earlier versions. */
  needs: z.record(z.string(), texts).optional(),
});

/** The steps of a restore that change the host, in order. They are undone together, newest first. */
export const restoreSteps = {
  /** Files of the stack that did not exist, and their missing parent directories. */
  files: z.object({ paths: texts, directories: texts, mounts: texts }),
  /** Every container of the stack, dependencies first. */
  stop: z.object({
    containers: z.array(stopped),
    dependencies: dependenciesShape.optional(),
  }),
  /** Images of the previous containers, protected from pruning. */
  keep: z.object({ images: z.array(z.object({ id: z.string(), service: z.string() })) }),
  /** Pins the backup's images in the project's files; `backward` pins the previous images. */
  pin: bothPins,
  create: creation,
  /** A volume or directory whose content is renamed aside. */
  "set-aside": replacement,
  /**
   * A place whose content is exchanged with what an earlier restore set aside under the stamp `from`. It is undone by the
   * reverse exchange, because neither content may be removed.
   */
  exchange: replacement.extend({ from: z.string() }),
  /** An archive that is extracted into such a volume or directory. */
  "replace-tree": replacement,
  /** A database restored into a server that started empty. It is undone with its volume. */
  "replace-database": z.looseObject({}),
  /** Every store is restored and counted. From now on users may write to the restored stack. */
  start: z.object({}),
  /** All checks passed: recovery finishes the restore and does not undo it. `discard` holds no user data. */
  restored: z.object({
    discard: z.array(replacement),
    /** The containers that the restore left. Journals of earlier versions lack it. */
    containers: z.array(z.object({ name: z.string(), imageId: z.string() })).optional(),
  }),
} as const;

/** The journal of `restore`. */
export const restoreJournal = {
  operation: "restore",
  phases: ["restore"],
  steps: restoreSteps,
} as const satisfies JournalSpec;

/** One of {@link restoreJournal}'s containers. */
export type StoppedContainer = z.infer<typeof stopped>;
/** The image pins in {@link restoreJournal}. */
export type JournalledPins = z.infer<typeof bothPins>;
/** The created containers in {@link restoreJournal}. */
export type JournalledCreation = z.infer<typeof creation>;
/** One of {@link restoreJournal}'s replacements. */
export type JournalledReplacement = z.infer<typeof replacement>;

/** One of {@link restoreJournal}'s exchanges. */
export type JournalledExchange = z.infer<typeof restoreSteps.exchange>;

/** A running restore. */
export type RestoreSession = Session<typeof restoreJournal>;

/** The stamp of all content that an operation sets aside. @param id - of the operation, whose last letters are its own */
export function stampOfAside(id: string): string {
  return `before-${id.slice(-21)}`;
}
