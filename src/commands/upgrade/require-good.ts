import { exitCodes, KeeperError } from "../../core/errors.ts";
import type { Reason } from "../../model/result.ts";
import type { GateVerdict } from "../../upgrade/gate.ts";
import type { NewImages } from "./apply.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";
import { watch } from "./watch.ts";

/** The gate said no. */
export class GateError extends KeeperError {
  readonly verdict: GateVerdict;

  constructor(verdict: GateVerdict, reason: Reason) {
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
): Promise<GateVerdict> {
  const { journal, host, options, dependencies } = session;
  journal.append("gate", "watch", {});
  const services = Object.fromEntries(
    Object.entries(plan.services).filter(([name]) => name in images),
  );
  const verdict = await watch(
    { ...plan, services },
    {
      engine: await host.engine(),
      dependencies,
      header: options.healthHeader,
      soakMs: options.soakMs,
      logs: true,
      allow: options.logAllow,
      deny: options.logDeny,
    },
  );
  const reason = verdict.reason ?? { class: "gate", message: "the new version is not good" };
  if (!verdict.passed) throw new GateError(verdict, reason);
  return verdict;
}
