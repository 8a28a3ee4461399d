import { z } from "zod";
import { type UpgradePhase, upgradePhases } from "../../model/upgrade-phase.ts";
import { backupSteps } from "../backup/journal.ts";
import {
  anonymousShape,
  dependenciesShape,
  pinsShape,
  projectShape,
} from "../live-stack/journal-shapes.ts";
import type { JournalEntry, JournalSpec } from "../session/journal.ts";

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
  /** The container was in a crash loop; `state` says `running` then. */
  restarting: z.boolean().optional(),
  /** A job that no other service waits for; Compose runs it again. Absent: none. */
  job: z.boolean().optional(),
  /** It is not upgraded, was not well before, and `allow-unhealthy` accepted that: nothing is judged by it. Absent: no. */
  sick: z.boolean().optional(),
  /** It ran, and may be a job that ends by itself. Absent: no. */
  mayEnd: z.boolean().optional(),
  /** Absent for none, and in journals of older versions. */
  anonymous: anonymousShape.optional(),
});

/** One place that the stack writes to, and its rollback copy. */
const copy = z.object({
  name: z.string(),
  source: z.string(),
  volume: z.string().optional(),
  copy: z.string(),
  aside: z.string(),
});

/** The databases that EF Core may use, and their migration histories before the upgrade. */
const schema = z.object({
  sqlite: z.array(
    z.object({
      name: z.string(),
      source: z.string(),
      volume: z.string().optional(),
      databases: texts,
      isFile: z.boolean().optional(),
    }),
  ),
  postgres: z.array(
    z.object({
      service: z.string(),
      user: z.string(),
      database: z.string(),
      /** Absent for the default, and in journals of older versions. */
      port: z.number().optional(),
      host: z.string().optional(),
    }),
  ),
  histories: z.record(z.string(), texts),
});

/** Everything that a rollback needs, recorded before anything is changed. */
const planShape = z.object({
  project: projectShape,
  services: z.record(
    z.string(),
    z.object({ from: z.string(), fromId: z.string(), to: z.string() }),
  ),
  /** In the order in which they are started. */
  containers: z.array(container),
  /** What each service depends on. */
  needs: z.record(z.string(), texts),
  /** The same, with conditions. Absent in journals of older versions. */
  dependencies: dependenciesShape.optional(),
  /** Services that are recreated because they join a namespace of a recreated one. Absent in older journals. */
  joined: texts.optional(),
  /** Ids of the containers that must not write while the rollback copy is finished: stopped, or paused. */
  stop: texts,
  pause: texts,
  copies: z.array(copy),
  /** File edits for the new version, and for the old version if the files already name the new one. */
  forward: pinsShape,
  backward: pinsShape,
  work: z.string(),
  /** How many paths the rollback copies contain. */
  paths: z.number().optional(),
  /** Absent in journals of older versions. */
  schema: schema.optional(),
  /** Names of the upgraded containers that logged something before. */
  logged: texts.optional(),
  /** How to archive what a failed version leaves. Absent in journals of older versions. */
  sealing: z
    .object({
      recipients: texts,
      /** Whether a passphrase encrypts instead of recipients. It is a secret and stays in memory. */
      needsPassphrase: z.boolean(),
      limitBytes: z.number(),
    })
    .optional(),
  /** Whether the stack was healthy before. */
  healthy: z.boolean(),
  health: z.object({
    url: z.string().optional(),
    /** Whether the request needs a header. The header is a secret and stays in memory. */
    header: z.boolean(),
    /** PEM of the CA that signed the URL's certificate. */
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
