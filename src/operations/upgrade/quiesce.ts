import { describeError } from "../../core/errors.ts";
import { postgresAccess } from "../../core/postgres-access.ts";
import { stopContainers } from "../live-stack/stop.ts";
import type { UpgradePlan } from "./journal.ts";
import { deltaAll } from "./rollback-copies.ts";
import type { UpgradeSession } from "./session.ts";

/**
 * Finishes the rollback copy. It stops the containers that write, and freezes the store servers only while the last
 * changes are copied.
 */
export async function quiesce(session: UpgradeSession, plan: UpgradePlan): Promise<void> {
  const { containers, journal, dependencies } = session;
  const { signal } = dependencies;
  // An engine that is restarted would otherwise start them in the middle of the copy, those that are stopped now, too.
  const revived = plan.containers.filter(({ restartPolicy }) => restartPolicy !== "no");
  journal.append("quiesce", "restart-off", { containers: revived.map(({ id }) => id) });
  await Promise.all(revived.map(({ id }) => containers.setRestartPolicy(id, "no")));
  signal.throwIfAborted();
  journal.append("quiesce", "stop-writers", { containers: plan.stop });
  const writers = session.stack.containers.filter(({ id }) => plan.stop.includes(id));
  await stopContainers(containers, writers, { dependencies: plan.dependencies });
  signal.throwIfAborted();
  await checkpoint(session);
  journal.append("quiesce", "freeze", { containers: plan.pause });
  await Promise.all(plan.pause.map((id) => containers.pause(id, signal)));
  await deltaAll(session, plan);
  journal.append("quiesce", "thaw", {});
  await Promise.all(plan.pause.map((id) => containers.unpause(id)));
}

/**
 * Runs a PostgreSQL checkpoint, so that a server started from the copy has nothing to replay. A replay would slow the
 * start and make sequences jump ahead (SEQ_LOG_VALS in `src/backend/commands/sequence.c`). A first checkpoint while
 * the stack serves keeps the second one, during the downtime, short.
 */
export async function checkpoint({
  stack,
  containers,
  dependencies,
}: UpgradeSession): Promise<void> {
  for (const store of stack.stores) {
    if (store.kind !== "postgres") continue;
    const { containerId, user, database } = store;
    const argv = ["psql", "-X", "-q", "-U", user, "-d", database, "-c", "CHECKPOINT"];
    const env = postgresAccess(store);
    await containers
      .exec(containerId, argv, { env, signal: dependencies.signal, timeoutMs: 30_000 })
      .catch((error: unknown) => {
        dependencies.signal.throwIfAborted();
        dependencies.reporter.info(`${store.service}: no checkpoint: ${describeError(error)}`);
      });
  }
}
