import { existsSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { estimateCopy } from "../../copy/tasks.ts";
import { RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import type { ContainerState, DiscoveredStore, Stack } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { inspectImage } from "../../stack/images.ts";
import { composeLabels } from "../../stack/labels.ts";
import { within } from "../../stack/shared.ts";
import { startOrder } from "../restore-point/writers.ts";
import { copyPlace } from "./copies.ts";
import { planPins } from "./files.ts";
import { lookAround } from "./health.ts";
import type { UpgradePlan } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";
import { chooseTargets, refuseUnsafe, type Target } from "./targets.ts";

/**
 * Finds out what will be done and refuses what could not be undone. Changes nothing.
 *
 * @throws RefusedError.
 */
export async function preflight(session: UpgradeSession): Promise<UpgradePlan> {
  const { id, stack, options, repository, host } = session;
  const targets = chooseTargets(stack, options.images);
  refuseUnsafe(stack, targets);
  await refuseOtherChanges(session, targets);
  const engine = await host.engine();
  const work = join(repository.path, "upgrades", id);
  const project = projectOf(stack);
  const context = { engine, project, pin: options.pin, work, repository: repository.path };
  const to = Object.fromEntries(Object.entries(targets).map(([name, { to }]) => [name, to]));
  const from = Object.fromEntries(Object.entries(targets).map(([name, { from }]) => [name, from]));
  const model = stack.model;
  const forward = await planPins({ ...context, model }, to, "new");
  // Where the files name the new images already, the old ones are written there on the way back.
  const ahead = Object.keys(targets).filter((name) => model.services[name]?.image !== from[name]);
  const behind = Object.fromEntries(ahead.map((name) => [name, from[name] ?? ""]));
  const backward = await planPins({ ...context, model }, behind, "old");
  const containers = startOrder(stack, stack.containers);
  const copies = placesOf(stack).map((place, at) => copyPlace(session, place, at));
  const plan: UpgradePlan = {
    ...{ project, services: targets, copies, forward, backward, work },
    containers: containers.map(planned),
    needs: Object.fromEntries(
      Object.entries(model.services).map(([name, { depends_on: needs }]) => [
        name,
        Object.keys(needs ?? {}).filter((need) => need in model.services),
      ]),
    ),
    ...quietened(stack, targets, copies),
    healthy: true,
    health: {
      ...(options.healthUrl === undefined ? {} : { url: options.healthUrl }),
      ...(options.healthCa === undefined ? {} : { ca: options.healthCa }),
      header: options.healthHeader !== undefined,
      timeoutMs: options.healthTimeoutMs,
      soakMs: options.soakMs,
    },
  };
  await requireRoom(session, plan);
  return { ...plan, healthy: await baseline(session, plan) };
}

/** The part of a stack that chooses Compose's files. */
export function projectOf(stack: Stack): UpgradePlan["project"] {
  return {
    project: stack.project,
    directory: stack.directory,
    composeFiles: [...stack.composeFiles],
    envFiles: [...stack.envFiles],
    profiles: [...stack.profiles],
  };
}

function planned(container: ContainerState): UpgradePlan["containers"][number] {
  const { id, name, service, imageId, imageReference, state, health, restartPolicy } = container;
  return { id, name, service, imageId, imageReference, state, health, restartPolicy };
}

/** Every place that the stack writes, the outermost of nested ones. */
function placesOf(stack: Stack): { name: string; source: string; volume?: string }[] {
  const all = stack.stores.map((store) => {
    const { volume } = store.mount;
    return {
      name: store.name,
      source: sourceOf(store),
      ...(volume === undefined ? {} : { volume }),
    };
  });
  return all.filter(
    ({ source }, at) =>
      !all.some(
        (other, index) => within(source, other.source) && (source !== other.source || index < at),
      ),
  );
}

/** Where a store's bytes lie. */
function sourceOf(store: DiscoveredStore): string {
  return store.kind === "data" ? store.path : store.mount.source;
}

/** Who is stopped and who is frozen while the copy is made exact. */
function quietened(
  stack: Stack,
  targets: Readonly<Record<string, Target>>,
  copies: UpgradePlan["copies"],
): Pick<UpgradePlan, "stop" | "pause"> {
  const servers = new Set(stack.stores.flatMap((s) => ("service" in s ? [s.service] : [])));
  const running = stack.containers.filter(({ state }) => state === "running");
  const writes = ({ mounts }: ContainerState) =>
    mounts.some(
      (mount) =>
        mount.writable &&
        copies.some(({ source }) => within(mount.source, source) || within(source, mount.source)),
    );
  const others = running.filter(({ service }) => !servers.has(service));
  return {
    stop: others.filter((one) => one.service in targets || writes(one)).map(({ id }) => id),
    pause: running.filter(({ service }) => servers.has(service)).map(({ id }) => id),
  };
}

/**
 * What runs must differ from the files in images only: on the way back the files make the containers anew.
 *
 * @throws RefusedError naming the services that differ in more.
 */
async function refuseOtherChanges(
  { stack, host }: UpgradeSession,
  targets: Readonly<Record<string, Target>>,
): Promise<void> {
  const engine = await host.engine();
  await using trial = await temporaryDirectory("sophon-keeper-");
  const override = join(trial.path, "images.yml");
  const images = Object.entries(targets).map(([name, { from }]) => [name, { image: from }]);
  await writeFile(override, JSON.stringify({ services: Object.fromEntries(images) }));
  const hashes = await createCompose(engine, projectOf(stack)).hashes([override]);
  // What they depend on must be as the files say, too: Compose would change it on the way.
  const concerned = dependenciesOf(stack, Object.keys(targets));
  const differing = concerned.filter((service) => {
    const own = stack.containers.filter((container) => container.service === service);
    return own.some(({ labels }) => labels[composeLabels.configHash] !== hashes.get(service));
  });
  for (const service of concerned) {
    if (service in targets || differing.includes(service)) continue;
    const own = stack.containers.find((container) => container.service === service);
    const named = await inspectImage(engine, stack.model.services[service]?.image ?? "");
    if (own !== undefined && named?.id !== own.imageId) differing.push(service);
  }
  if (differing.length === 0) return;
  throw new RefusedError(
    `the files differ from what runs in more than images: ${differing.join(", ")}`,
    {
      class: "changed-files",
      hint: "Apply that first with `docker compose up -d`, or put it back, so that an upgrade changes images only.",
    },
  );
}

/** The services and everything below them. */
function dependenciesOf(stack: Stack, services: readonly string[]): string[] {
  const all = new Set(services);
  // A set that grows while it is walked is walked to its end.
  for (const service of all) {
    for (const needed of Object.keys(stack.model.services[service]?.depends_on ?? {})) {
      all.add(needed);
    }
  }
  return [...all];
}

/** @throws RefusedError when a rollback copy does not fit where it is to lie. */
async function requireRoom(session: UpgradeSession, plan: UpgradePlan): Promise<void> {
  const needs = new Map<string, { bytes: number; free: number }>();
  for (const { source, copy, volume } of plan.copies) {
    const mounts = [
      { path: source, readOnly: true, ...(volume === undefined ? {} : { volume }) },
      { path: dirname(copy), readOnly: true },
    ];
    const { signal } = session.dependencies;
    const found = await session.tasks.run(estimateCopy, { source, copy }, { mounts }, signal);
    // Equal free space is the same file system, or near enough to one.
    const key = deviceOf(dirname(copy)) ?? String(found.freeBytes);
    const before = needs.get(key)?.bytes ?? 0;
    needs.set(key, { bytes: before + found.bytes, free: found.freeBytes });
  }
  const spare = 64 * 2 ** 20;
  for (const { bytes, free } of needs.values()) {
    if (bytes + spare < free) continue;
    const why = `the rollback copy needs about ${formatBytes(bytes)}, and ${formatBytes(free)} are free`;
    throw new RefusedError(why, {
      class: "no-space",
      hint: "Free some space, or give rollback-directory on another disk.",
    });
  }
}

function deviceOf(path: string): string | undefined {
  try {
    return existsSync(path) ? String(statSync(path).dev) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws RefusedError when the stack is not good to begin with, unless that is allowed. */
async function baseline(session: UpgradeSession, plan: UpgradePlan): Promise<boolean> {
  const looked = await lookAround(session, plan, session.options.healthHeader);
  const bad = looked.filter(({ good }) => !good);
  if (bad.length === 0) return true;
  const said = bad.map(({ service, detail }) => `${service}: ${detail}`).join("; ");
  if (session.options.allowUnhealthy) {
    session.dependencies.reporter.warning(`not healthy to begin with: ${said}`);
    return false;
  }
  throw new RefusedError(`the stack is not healthy to begin with: ${said}`, {
    class: "unhealthy",
    hint: `Mend it first (docker compose logs ${basename(bad[0]?.service ?? "")}), or give allow-unhealthy.`,
  });
}
