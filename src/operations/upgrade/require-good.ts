import { exitCodes, KeeperError } from "../../core/errors.ts";
import type { Reason } from "../../model/result.ts";
import { startActivity } from "../gate/database-activity.ts";
import { schemaNow } from "../gate/schema-check.ts";
import { type WatchVerdict, watch } from "../gate/watch.ts";
import type { UpgradePlan } from "./journal.ts";
import { liveTarget, presentContainers } from "./live-target.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";

/** The gate rejected the new version. */
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
 * Watches the new version until the gate accepts it.
 *
 * @throws GateError when the gate rejects it.
 */
export async function requireGood(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<WatchVerdict> {
  const { journal, host, options, dependencies, containers, tasks } = session;
  const { clock } = dependencies;
  journal.append("gate", "watch", {});
  const services = Object.fromEntries(
    Object.entries(plan.services).filter(([name]) => name in images),
  );
  const engine = await host.engine();
  const present = () => presentContainers(engine, plan);
  const context = { engine, present, containers, tasks, dependencies };
  const { schema, health } = plan;
  const target = liveTarget(
    { ...plan, services },
    {
      engine,
      ...{ header: options.healthHeader, signal: dependencies.signal, judgesLogs: true },
      ...(schema === undefined
        ? {}
        : {
            activity: startActivity(context, new Set(Object.keys(services)), schema, clock),
            schema: (announced: readonly string[]) => schemaNow(context, schema, announced),
          }),
    },
  );
  const rules = {
    ...{ healthTimeoutMs: health.timeoutMs, soakMs: options.soakMs, mustLog: plan.logged },
    ...{ allow: options.logAllow, deny: options.logDeny },
  };
  const verdict = await watch(target, rules, dependencies);
  const reason = verdict.reason ?? { class: "gate", message: "the new version is not good" };
  if (!verdict.passed) throw new GateError(verdict, reason);
  return verdict;
}
