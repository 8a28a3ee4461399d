import { exitCodes, KeeperError } from "../../core/errors.ts";
import { createCompose } from "../../stack/compose.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { engineOf } from "../../stack/engine.ts";
import { applyEdits } from "../live-stack/image-pins.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";

/** The services that the engine has a new image for, with that image's id. */
export type NewImages = Readonly<Record<string, string>>;

/**
 * Makes the containers of the upgraded services anew, with the images that were pulled and from files that name
 * them, and starts what else was stopped. Nothing is pulled, and no volume is ever deleted.
 */
export async function apply(
  session: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<void> {
  const { journal, host, dependencies, containers, stack } = session;
  const { signal } = dependencies;
  const engine = engineOf(session.id, await host.engine());
  journal.append("apply", "files", {});
  applyEdits(plan.forward.edits);
  signal.throwIfAborted();
  const project = { ...plan.project, composeFiles: plan.forward.composeFiles };
  const compose = createCompose(engine, project, stack.secrets);
  const services = Object.keys(images);
  journal.append("apply", "up", { services });
  // Made with their dependencies, which are as the files say: without them the definition would be another one. Started here.
  await compose.up({ services, noStart: true, scale: scaleOf(plan, services) }, signal);
  const stopped = new Set(plan.stop);
  const now = await projectContainers(engine, plan.project.project);
  for (const { id, name, service, state } of plan.containers) {
    const isNew = services.includes(service) && state === "running";
    const found = now.find((one) => one.state.name === name)?.state.id;
    if (found !== undefined && (isNew || stopped.has(id))) await containers.start(found);
  }
  await requireImages(session, plan, images);
}

/** How many containers these services and what they need have, also none: Compose must not make or remove any. */
export function scaleOf(
  plan: UpgradePlan,
  services: readonly string[],
): Readonly<Record<string, number>> {
  const all = new Set(services);
  // A set that grows while it is walked is walked to its end.
  for (const service of all) for (const need of plan.needs[service] ?? []) all.add(need);
  const count = (service: string) =>
    plan.containers.filter((one) => one.service === service).length;
  return Object.fromEntries([...all].map((name) => [name, count(name)]));
}

/** Compose goes by names; what counts is what runs. */
async function requireImages(
  { host }: UpgradeSession,
  plan: UpgradePlan,
  images: NewImages,
): Promise<void> {
  const now = await projectContainers(await host.engine(), plan.project.project);
  for (const [service, id] of Object.entries(images)) {
    const own = now.filter(({ state }) => state.service === service);
    if (own.length > 0 && own.every(({ state }) => state.imageId === id)) continue;
    throw new KeeperError(
      exitCodes.rolledBack,
      "rolled-back",
      `${service} does not run the image that was pulled for it`,
      { class: "other-image" },
    );
  }
}
