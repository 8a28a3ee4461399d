import { describeError, KeeperError } from "../../core/errors.ts";
import { formatSeconds } from "../../core/format.ts";
import type { Check, Reason, Result, ServiceChange } from "../../model/result.ts";
import { repoDigest } from "../../stack/images.ts";
import type { NamedFile } from "../../stores/stack-files/references.ts";
import type { GateVerdict } from "../gate/gate.ts";
import { deployedLock } from "./deployed-record.ts";
import type { Downtime } from "./downtime.ts";
import type { UpgradePlan } from "./journal.ts";
import { GateError } from "./require-good.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";

/** A result without its timing. */
type Outcome = Pick<Result, "result" | "warnings"> & { readonly [member: string]: unknown };

/** Time to stop, create and start a container, measured on two cores, without the application's own start-up. */
const recreationSeconds = 2;
const pathsPerSecond = 20_000;

/** The image changes per service. Must run while the engine still has both images. */
export async function serviceChanges(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<ServiceChange[]> {
  const engine = await session.host.engine();
  const changed = Object.entries(plan.services).filter(([service]) => service in images);
  return await Promise.all(
    changed.map(async ([service, { from, fromId, to }]) => {
      const toId = images[service] ?? to;
      const fromDigest = (await repoDigest(engine, fromId, from)) ?? fromId;
      const toDigest = (await repoDigest(engine, toId, to)) ?? toId;
      return { service, from, fromDigest, to, toDigest };
    }),
  );
}

/** The result of a dry run. */
export async function planned(
  session: UpgradeSession,
  plan: UpgradePlan,
  files: readonly NamedFile[],
): Promise<Outcome> {
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
      // Those of the backup that is made first.
      files,
      ...(await expectedDowntime(session, plan)),
    },
  };
}

/**
 * Estimates the downtime: that of the last upgrade on this host, else a recreation plus one second for every 20,000
 * paths that the last pass of the copy reads (two cores, warm cache).
 */
async function expectedDowntime(session: UpgradeSession, plan: UpgradePlan) {
  const last = (await deployedLock(session.repository))?.downtimeSeconds;
  if (last !== undefined && last > 0) {
    return { expectedDowntime: `about ${formatSeconds(last)}, as the last upgrade here` };
  }
  const seconds = recreationSeconds + (plan.paths ?? 0) / pathsPerSecond;
  const told = formatSeconds(Math.max(1, Math.round(seconds)));
  return { expectedDowntime: `about ${told}, and what the new version takes to start and migrate` };
}

/** The result when the pull brought no new image. */
export function unchanged(plan: UpgradePlan): Outcome {
  return { result: "unchanged", ...images(plan) };
}

/** The result of a passed upgrade. */
export function committed(
  plan: UpgradePlan,
  { checks }: GateVerdict,
  downtime: Downtime | undefined,
): Outcome {
  const { forward, project } = plan;
  const aside = forward.composeFiles.find((file) => file.endsWith("/images.yml"));
  const elsewhere = aside !== undefined;
  const warning = `the images are pinned in ${aside} only: a plain \`docker compose up -d\` in ${project.directory} returns to the old images`;
  return {
    result: "passed",
    ...images(plan),
    checks,
    ...secondsOf(downtime),
    ...(elsewhere ? { warnings: [warning] } : {}),
  };
}

/** The facts reported when the rollback fails: the attempted upgrade and why it was rolled back. */
export function failureFacts(plan: UpgradePlan, error: unknown): Record<string, unknown> {
  return {
    ...images(plan),
    failure: reasonOf(error),
    ...(error instanceof GateError
      ? { checks: error.verdict.checks, lastLines: error.verdict.lastLines }
      : {}),
  };
}

/** The result of a completed rollback. */
export function rolledBack(
  plan: UpgradePlan,
  error: unknown,
  after: GateVerdict,
  downtime: Downtime | undefined,
): Outcome {
  const before = error instanceof GateError ? error.verdict.checks : [];
  const again = after.checks.map((check): Check => ({ ...check, name: `${check.name} after` }));
  return {
    result: "rolled-back",
    ...images(plan),
    checks: [...before, ...again],
    reason: reasonOf(error),
    ...secondsOf(downtime),
    ...(error instanceof GateError ? { lastLines: error.verdict.lastLines } : {}),
  };
}

function secondsOf(downtime: Downtime | undefined): Pick<Result, "downtimeSeconds"> {
  return downtime === undefined ? {} : { downtimeSeconds: downtime.seconds };
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
