import { z } from "zod";
import { dependenciesShape } from "../live-stack/journal-shapes.ts";
import type { JournalSpec } from "../session/journal.ts";
import type { Session } from "../session/session.ts";

const containers = z.object({ containers: z.array(z.string()) });
const mount = z.object({
  type: z.enum(["bind", "volume", "tmpfs", "other"]),
  volume: z.string().optional(),
  source: z.string(),
  target: z.string(),
  writable: z.boolean(),
  anonymous: z.boolean(),
  plain: z.boolean(),
});

/** The steps of a backup that change the host. Recovery undoes each of them. */
export const backupSteps = {
  begin: z.object({ id: z.string() }),
  /** Writers stopped for `consistency: stopped`, or a broker for `rabbitmq-messages: stop`. */
  stop: containers.extend({
    /** The previous states by id, and the start order. Absent in journals of older versions. */
    before: z
      .record(z.string(), z.object({ paused: z.boolean(), healthy: z.boolean() }))
      .optional(),
    dependencies: dependenciesShape.optional(),
  }),
  pause: containers,
  "qdrant-snapshots": z.object({
    service: z.string(),
    known: z.record(z.string(), z.array(z.string())),
  }),
  "broker-copy": z.object({ copy: z.string(), mount }),
} as const;

/** The journal of a backup. */
export const backupJournal = {
  operation: "backup",
  phases: ["copy"],
  steps: backupSteps,
} as const satisfies JournalSpec;

/** The session of any operation that creates a backup. */
export type RestorePointSession = Omit<Session<typeof backupJournal>, "journal"> & {
  readonly journal: Pick<Session<typeof backupJournal>["journal"], "append">;
};
