import { exitCodes, KeeperError } from "../../core/errors.ts";
import type { ContainerState, Stack } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { removeContainer } from "../../stack/containers.ts";
import { engineOf } from "../../stack/engine.ts";
import { joinersOf, restartedWith } from "../live-stack/depends-on.ts";
import { applyEdits } from "../live-stack/image-pins.ts";
import { isAwaited } from "../live-stack/one-shots.ts";
import { scaleOf as countOf, createExactly, present, withNeeds } from "../live-stack/recreate.ts";
import { startContainers, type Wanted } from "../live-stack/start.ts";
import { stopContainers } from "../live-stack/stop.ts";
import { gatedWaits, refuseFailed } from "./gated-start.ts";
import type { UpgradePlan } from "./journal.ts";
import { GateError } from "./require-good.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";

/**
 * Recreates the containers of the upgraded services with the pulled images, from files that name these images, and
 * starts everything else that was stopped. It pulls nothing and never deletes a volume.
 *
 * @throws GateError when a container does not reach the state that others wait for, or a one-shot fails.
 */
export async function apply(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<void> {
  const { journal, host, dependencies, containers, stack } = session;
  const { signal, clock } = dependencies;
  const engine = engineOf(session.id, await host.engine());
  journal.append("apply", "files", {});
  applyEdits(plan.forward.edits);
  signal.throwIfAborted();
  const project = { ...plan.project, composeFiles: plan.forward.composeFiles };
  const compose = createCompose(engine, project, stack.secrets);
  const services = Object.keys(images);
  journal.append("apply", "up", { services });
  const joiners = joinersOf(stack.containers, of(stack, services));
  await stopForExchange(session, plan, [...services, ...servicesOf(joiners)]);
  for (const { id } of joiners) await removeContainer(engine, id, { volumes: false });
  const creating = {
    ...{ engine, compose, project: project.project, signal },
    scaleOf: (names: readonly string[]) => scaleOf(plan, names),
    needs: plan.needs,
  };
  const create = async (names: readonly string[]) => {
    const own = plan.containers.filter(({ service }) => names.includes(service));
    if (own.length > 0) await createExactly(own, own, creating);
  };
  // `up` includes the dependencies: without them the config hash would differ.
  await create(services);
  const joined = servicesOf(joiners).filter((service) => !services.includes(service));
  // Create joiners after their provider: Compose looks up the provider's id when it creates them.
  await create(joined);
  const wanted = wantedAfter(plan, [...services, ...joined], images);
  const look = () => present(engine, plan.project.project);
  const given = { containers, present: look, dependencies: plan.dependencies, clock, signal };
  try {
    await startContainers(wanted, given, gatedWaits(session, plan, images, engine));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof GateError)) await refuseFailed(session, plan, images, engine);
    throw error;
  }
  await requireImages(session, plan, images);
}

/** The container count of these services and their dependencies, zero included: Compose must not add or remove any. */
export function scaleOf(
  plan: Pick<UpgradePlan, "needs" | "containers">,
  services: readonly string[],
): Readonly<Record<string, number>> {
  return countOf(plan.containers, withNeeds(plan.needs, services));
}

/**
 * Stops the store servers that are recreated or restarted with a recreated service: they kept running after the
 * rollback copy was finished. Compose would kill them after ten seconds.
 */
async function stopForExchange(
  { containers, stack }: UpgradeSession,
  { dependencies = {}, pause }: UpgradePlan,
  changed: readonly string[],
): Promise<void> {
  const all = new Set([...changed, ...restartedWith(changed, dependencies)]);
  const frozen = stack.containers.filter(({ id }) => pause.includes(id));
  const servers = new Set(servicesOf(frozen));
  await stopContainers(
    containers,
    frozen.filter(({ service }) => all.has(service)),
    { dependencies, servers },
  );
}

/** What to start: stopped or recreated containers that ran before, and one-shots that have a new image. */
function wantedAfter(
  plan: UpgradePlan,
  made: readonly string[],
  images: NewImages,
): readonly Wanted[] {
  const stopped = new Set(plan.stop);
  const { dependencies = {} } = plan;
  const restarted = restartedWith(made, dependencies);
  return plan.containers.flatMap((one): Wanted[] => {
    const { id, name, service, state } = one;
    const healthy = one.health === "healthy";
    if (service in images && (one.job === true || isAwaited(one, dependencies))) {
      return [{ name, state: "completed", healthy: false }];
    }
    const isTouched = made.includes(service) || restarted.has(service) || stopped.has(id);
    if (!isTouched || (state !== "running" && state !== "paused")) return [];
    return [{ name, state, healthy }];
  });
}

function of({ containers }: Pick<Stack, "containers">, services: readonly string[]) {
  return containers.filter(({ service }) => services.includes(service));
}

function servicesOf(containers: readonly Pick<ContainerState, "service">[]): string[] {
  return [...new Set(containers.map(({ service }) => service))];
}

/** Compose compares image names; this checks the image ids of the running containers. */
async function requireImages(
  { host }: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<void> {
  const now = await present(await host.engine(), plan.project.project);
  for (const [service, id] of Object.entries(images)) {
    const own = now.filter((one) => one.service === service);
    if (own.length > 0 && own.every(({ imageId }) => imageId === id)) continue;
    throw new KeeperError(
      exitCodes.rolledBack,
      "rolled-back",
      `${service} does not run the image that was pulled for it`,
      { class: "other-image" },
    );
  }
}
