import { exitCodes, KeeperError } from "../../core/errors.ts";
import type { Reason } from "../../model/result.ts";
import type { NewImages } from "./apply.ts";
import { startActivity } from "./database-activity.ts";
import type { UpgradePlan } from "./journal.ts";
import { schemaNow } from "./schema-check.ts";
import type { UpgradeSession } from "./session.ts";
import { type WatchVerdict, watch } from "./watch-gate.ts";

/** The gate said no. */
export class GateError extends KeeperError {
  readonly verdict: WatchVerdict;

  constructor(verdict: WatchVerdict, reason: Reason) {
    super(exitCodes.rolledBack, "rolled-back", reason.message, {
      class: reason.class,
      ...(reason.evidence === undefined ? {} : { evidence: reason.evidence }),
    });
    this.verdict = verdict;
  }
}

/**
 * Watches what was applied until it has proven itself.
 *
 * @throws GateError when it has not.
 */
export async function requireGood(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<WatchVerdict> {
  const { journal, host, options, dependencies, containers, tasks } = session;
  journal.append("gate", "watch", {});
  const services = Object.fromEntries(
    Object.entries(plan.services).filter(([name]) => name in images),
  );
  const engine = await host.engine();
  const context = { engine, containers, tasks, dependencies };
  const watched = { ...plan, services };
  const { schema } = plan;
  const verdict = await watch(watched, {
    engine,
    dependencies,
    header: options.healthHeader,
    soakMs: options.soakMs,
    logs: true,
    allow: options.logAllow,
    deny: options.logDeny,
    ...(schema === undefined
      ? {}
      : {
          activity: startActivity(context, watched, schema, dependencies.clock),
          schema: (announced) => schemaNow(context, plan, announced),
        }),
  });
  const reason = verdict.reason ?? { class: "gate", message: "the new version is not good" };
  if (!verdict.passed) throw new GateError(verdict, reason);
  return verdict;
}
