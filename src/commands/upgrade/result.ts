import { join } from "node:path";
import { describeError, KeeperError } from "../../core/errors.ts";
import type { Check, Reason, Result } from "../../model/result.ts";
import type { GateVerdict } from "../../upgrade/gate.ts";
import type { UpgradePlan } from "./journal.ts";
import { GateError } from "./require-good.ts";
import type { UpgradeSession } from "./session.ts";

/** A result of which only the time is missing. */
type Outcome = Pick<Result, "result" | "warnings"> & { readonly [member: string]: unknown };

/** A dry run: what would be done. */
export function planned(plan: UpgradePlan): Outcome {
  const { project, containers, copies, forward } = plan;
  const named = (ids: readonly string[]) =>
    containers.filter(({ id }) => ids.includes(id)).map(({ name }) => name);
  return {
    result: "planned",
    ...images(plan),
    plan: {
      project: project.project,
      images: Object.entries(plan.services).map(([service, { from, to }]) => ({
        service,
        from,
        to,
      })),
      stopped: named(plan.stop),
      frozen: named(plan.pause),
      copies: copies.map(({ name, source, copy }) => ({ name, source, copy })),
      edited: forward.edits.map(({ path }) => path),
    },
  };
}

/** The engine has no other image than those that run. */
export function unchanged(plan: UpgradePlan): Outcome {
  return { result: "unchanged", ...images(plan) };
}

/** The new version runs and has proven itself. */
export function committed(
  plan: UpgradePlan,
  { checks }: GateVerdict,
  downtimeSeconds: number | undefined,
): Outcome {
  const { forward, project } = plan;
  const aside = forward.composeFiles.find((file) => file.endsWith("/images.yml"));
  const elsewhere = aside !== undefined && !project.composeFiles.includes(aside);
  const warning = `the images are pinned in ${aside} only: a plain \`docker compose up -d\` in ${project.directory} goes back to the old ones`;
  return {
    result: "passed",
    ...images(plan),
    checks,
    ...(downtimeSeconds === undefined ? {} : { downtimeSeconds }),
    ...(elsewhere ? { warnings: [warning] } : {}),
  };
}

/** The old version runs again on its data. */
export function rolledBack(
  session: UpgradeSession,
  plan: UpgradePlan,
  error: unknown,
  after: GateVerdict,
  downtimeSeconds: number | undefined,
): Outcome {
  const before = error instanceof GateError ? error.verdict.checks : [];
  const again = after.checks.map((check): Check => ({ ...check, name: `${check.name} after` }));
  const failed = join(session.repository.path, "failed", session.id);
  const kept = `logs and changed data of the failed version are kept: ${[...new Set([failed, ...plan.copies.map(({ aside }) => aside)])].join(", ")}`;
  return {
    result: "rolled-back",
    ...images(plan),
    checks: [...before, ...again],
    reason: reasonOf(error),
    ...(downtimeSeconds === undefined ? {} : { downtimeSeconds }),
    warnings: [kept],
    failedPath: failed,
  };
}

function images({ services }: UpgradePlan): Pick<Result, "from" | "to"> {
  const entries = Object.entries(services);
  return {
    from: Object.fromEntries(entries.map(([service, { from }]) => [service, from])),
    to: Object.fromEntries(entries.map(([service, { to }]) => [service, to])),
  };
}

function reasonOf(error: unknown): Reason {
  if (!(error instanceof KeeperError)) return { class: "apply", message: describeError(error) };
  const evidence = error.evidence === undefined ? {} : { evidence: error.evidence };
  return { class: error.class, message: error.message, ...evidence };
}
