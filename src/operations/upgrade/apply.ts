import { exitCodes, KeeperError } from "../../core/errors.ts";
import type { ContainerState, Stack } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { removeContainer } from "../../stack/containers.ts";
import { engineOf } from "../../stack/engine.ts";
import { joinersOf, restartedWith } from "../live-stack/depends-on.ts";
import { applyEdits } from "../live-stack/image-pins.ts";
import { scaleOf as countOf, present, withNeeds } from "../live-stack/recreate.ts";
import { startContainers, type Wanted } from "../live-stack/start.ts";
import { stopContainers } from "../live-stack/stop.ts";
import { gatedWaits } from "./gated-start.ts";
import type { PlannedContainer, UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";

/**
 * Makes the containers of the upgraded services anew, with the images that were pulled and from files that name
 * them, and starts what else was stopped. Nothing is pulled, and no volume is ever deleted.
 *
 * @throws GateError where a container does not become what others wait for, or a one-shot does not end well.
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
  // Made with their dependencies, which are as the files say: without them the definition would be another one. Started here.
  await compose.up({ services, noStart: true, scale: scaleOf(plan, services) }, signal);
  const joined = servicesOf(joiners).filter((service) => !services.includes(service));
  // After what they join: Compose looks up its id while it makes them.
  if (joined.length > 0) {
    await compose.up({ services: joined, noStart: true, scale: scaleOf(plan, joined) }, signal);
  }
  const wanted = wantedAfter(plan, [...services, ...joined], images);
  const look = () => present(engine, plan.project.project);
  const given = { containers, present: look, dependencies: plan.dependencies, clock, signal };
  await startContainers(wanted, given, gatedWaits(session, plan, images, engine));
  await requireImages(session, plan, images);
}

/** How many containers these services and what they need have, also none: Compose must not make or remove any. */
export function scaleOf(
  plan: Pick<UpgradePlan, "needs" | "containers">,
  services: readonly string[],
): Readonly<Record<string, number>> {
  return countOf(plan.containers, withNeeds(plan.needs, services));
}

/**
 * Stops the servers that are made anew, and those that are restarted with what is: they ran on when the copy was
 * exact. Compose would give them no more than ten seconds.
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

/** What is to run: what ran, of that which was stopped or made anew, and the one-shots that have a new image. */
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
    if (service in images && isOneShot(plan, one)) {
      return [{ name, state: "completed", healthy: false }];
    }
    const isTouched = made.includes(service) || restarted.has(service) || stopped.has(id);
    if (!isTouched || (state !== "running" && state !== "paused")) return [];
    return [{ name, state, healthy }];
  });
}

/**
 * It has ended, and something waits for it to end well: with a new image it has something to do again. A rollback makes
 * one anew and does not run it: it is no less a one-shot then.
 */
function isOneShot(
  { dependencies = {} }: UpgradePlan,
  { service, state }: PlannedContainer,
): boolean {
  const isWaitedFor = Object.values(dependencies).some((needs) =>
    needs.some(
      (need) => need.service === service && need.condition === "service_completed_successfully",
    ),
  );
  return (state === "exited" || state === "created") && isWaitedFor;
}

function of({ containers }: Pick<Stack, "containers">, services: readonly string[]) {
  return containers.filter(({ service }) => services.includes(service));
}

function servicesOf(containers: readonly Pick<ContainerState, "service">[]): string[] {
  return [...new Set(containers.map(({ service }) => service))];
}

/** Compose goes by names; what counts is what runs. */
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
