import { z } from "zod";
import { type UpgradePhase, upgradePhases } from "../../model/upgrade-phase.ts";
import type { JournalEntry, JournalSpec } from "../../upgrade/journal.ts";
import { backupSteps } from "../restore-point/journal.ts";

const texts = z.array(z.string());

/** A container as it was before the upgrade. */
const container = z.object({
  id: z.string(),
  name: z.string(),
  service: z.string(),
  imageId: z.string(),
  imageReference: z.string(),
  state: z.string(),
  health: z.string(),
  restartPolicy: z.string(),
});

/** One place that the stack writes, and its copy. */
const copy = z.object({
  name: z.string(),
  source: z.string(),
  volume: z.string().optional(),
  copy: z.string(),
  aside: z.string(),
});

/** A file of the project that is edited; its texts lie in the work directory of the operation. */
const edit = z.object({
  path: z.string(),
  existed: z.boolean(),
  before: z.string(),
  after: z.string(),
});

const pins = z.object({
  edits: z.array(edit),
  /** The compose files that are in force once the edits are made. */
  composeFiles: texts,
});

/** The databases that EF Core may keep, and what their histories held before. */
const schema = z.object({
  sqlite: z.array(
    z.object({
      name: z.string(),
      source: z.string(),
      volume: z.string().optional(),
      databases: texts,
    }),
  ),
  postgres: z.array(z.object({ service: z.string(), user: z.string(), database: z.string() })),
  histories: z.record(z.string(), texts),
});

/** Everything that brings the old version back, written down before anything is changed. */
export const planShape = z.object({
  project: z.object({
    project: z.string(),
    directory: z.string(),
    composeFiles: texts,
    envFiles: texts,
    profiles: texts,
  }),
  services: z.record(
    z.string(),
    z.object({ from: z.string(), fromId: z.string(), to: z.string() }),
  ),
  /** In the order in which they are started. */
  containers: z.array(container),
  /** What each service depends on. */
  needs: z.record(z.string(), texts),
  /** Ids of the containers that must not write while the copy is made exact. */
  stop: texts,
  pause: texts,
  copies: z.array(copy),
  /** The files of the project for the new version, and for the old one where they name the new one already. */
  forward: pins,
  backward: pins,
  work: z.string(),
  /** How many paths the copies have. */
  paths: z.number().optional(),
  /** Absent in journals of older versions. */
  schema: schema.optional(),
  /** Names of the upgraded containers that had logged something. */
  logged: texts.optional(),
  /** Whether the stack was good before. */
  healthy: z.boolean(),
  health: z.object({
    url: z.string().optional(),
    /** The request needs a header, which is a secret and only in memory. */
    header: z.boolean(),
    /** PEM of the authority that signed the URL's certificate. */
    ca: z.string().optional(),
    timeoutMs: z.number(),
    soakMs: z.number(),
  }),
});

/** What {@link planShape} describes. */
export type UpgradePlan = z.output<typeof planShape>;
/** A container of a plan. */
export type PlannedContainer = UpgradePlan["containers"][number];

const none = z.object({});

/** The journal of a live upgrade. */
export const upgradeJournal = {
  operation: "upgrade-test",
  phases: upgradePhases,
  steps: {
    ...backupSteps,
    plan: planShape,
    keep: z.object({ images: z.array(z.object({ id: z.string(), service: z.string() })) }),
    pull: z.object({ references: texts }),
    copies: z.object({ copies: texts }),
    "restart-off": z.object({ containers: texts }),
    "stop-writers": z.object({ containers: texts }),
    freeze: z.object({ containers: texts }),
    thaw: none,
    files: none,
    up: z.object({ services: texts }),
    watch: none,
    "roll-back": z.object({ reason: z.string() }),
    remove: none,
    "put-back": none,
    "old-files": none,
    recreate: none,
    start: none,
    check: none,
    committed: none,
    "rolled-back": none,
    "clean-up": none,
  },
} as const satisfies JournalSpec<UpgradePhase>;

/** One line of the journal of an upgrade. */
export type UpgradeEntry = JournalEntry<typeof upgradeJournal>;
