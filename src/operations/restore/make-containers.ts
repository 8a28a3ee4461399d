import { accessSync, constants, existsSync, lstatSync } from "node:fs";
import { dirname, isAbsolute } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel, ContainerState } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { removeContainer } from "../../stack/containers.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectImage, keepImage } from "../../stack/images.ts";
import { hasVolume, projectParts } from "../../stack/parts.ts";
import { includedFiles, referencedFiles } from "../../stores/stack-files/references.ts";
import { requireGrants } from "../live-stack/copied-grants.ts";
import { driftOf } from "../live-stack/definition.ts";
import { joinersOf } from "../live-stack/depends-on.ts";
import { applyEdits, planPins } from "../live-stack/image-pins.ts";
import { anonymousOf, lostPlaces } from "../live-stack/lost-places.ts";
import {
  createExactly,
  joinsNobody,
  neededServices,
  present,
  scaleFor,
  scaleOf,
  withNeeds,
} from "../live-stack/recreate.ts";
import { saveShellVariables } from "../live-stack/shell-variables.ts";
import type { Makings, StackNow } from "./current-stack.ts";
import type { JournalledCreation, JournalledPins, RestoreSession } from "./journal.ts";

/** The input for creating containers. */
interface Making {
  readonly session: RestoreSession;
  readonly stack: StackNow;
  readonly manifest: Pick<Manifest, "services">;
  readonly makings: Makings;
  /** The engine's name of the backup's image, by service. */
  readonly images: Readonly<Record<string, string>>;
}

/** The plan for pinning the images of the backup in the files. */
interface MakingPlan {
  readonly pins: JournalledPins;
  /** The Compose model of the current files. */
  readonly model: ComposeModel;
  /** Containers that join a namespace of a created or missing container. They are recreated with it. */
  readonly joiners: readonly ContainerState[];
  /** The file with the variables that only the shell has, if there are any. */
  readonly variables: string | undefined;
}

/**
 * Plans how to pin the backup's images in the project's files. Refuses changes that could not be undone. Changes
 * nothing.
 *
 * @throws RefusedError.
 */
export async function planMaking(making: Making): Promise<MakingPlan> {
  const { session, stack, makings, images } = making;
  const { repository, id, options } = session;
  const engine = await session.host.engine();
  const project = projectOf(stack);
  const model = await createCompose(engine, project).config();
  refuseRemoved(makings, model);
  await requireGrants(engine, { project, model }, makings.create);
  const joiners = await joinersIn(engine, making, model);
  await refuseUnlike(engine, making, model, servicesOf(joiners));
  const work = repository.work("restores", id);
  const named = await referencedFiles(stack);
  const context = {
    ...{ engine, project, model, included: includedFiles(named), work },
    ...{ pin: options.pin, repository: repository.path },
  };
  const wanted = [...makings.create, ...makings.replace];
  const to = Object.fromEntries(wanted.map((name) => [name, images[name] ?? ""]));
  const from = Object.fromEntries(
    stack.containers
      .filter(({ service }) => makings.replace.includes(service))
      .map(({ service, imageReference }) => [service, imageReference]),
  );
  const variables = saveShellVariables(
    [...stack.composeFiles, ...named.map(({ path }) => path)],
    work,
  );
  const forward = await planPins(context, to, "new");
  const backward = await planPins(context, from, "old");
  for (const { path } of forward.edits) requireWritable(path);
  return { model, joiners, variables, pins: { forward, backward, work } };
}

/** A service whose container cannot be created, because the files do not have it any more. */
function refuseRemoved({ create, replace }: Makings, { services }: ComposeModel): void {
  const removed = [...create, ...replace].filter((name) => !(name in services));
  if (removed.length === 0) return;
  const [one = ""] = removed;
  const what = removed.length === 1 ? `service ${one}` : `services ${removed.join(", ")}`;
  throw new RefusedError(`${what} of the backup: no longer in the compose files`, {
    class: "service-removed",
    hint: "put it back into the files (restore --target extracts those of the backup), or name the services to restore with only",
  });
}

async function joinersIn(
  engine: Engine,
  { stack, makings }: Making,
  { services }: ComposeModel,
): Promise<ContainerState[]> {
  const replaced = stack.containers.filter(({ service }) => makings.replace.includes(service));
  const found = new Set(joinersOf(stack.containers, replaced));
  for (const one of stack.containers) {
    if (one.service in services && (await joinsNobody(engine, one.joins))) found.add(one);
  }
  return [...found].filter(({ service }) => !makings.replace.includes(service));
}

function servicesOf(containers: readonly Pick<ContainerState, "service">[]): string[] {
  return [...new Set(containers.map(({ service }) => service))];
}

/** The part of a stack that selects Compose's files. */
export function projectOf(stack: StackNow): JournalledCreation["project"] {
  return {
    project: stack.project,
    directory: stack.directory,
    composeFiles: [...stack.composeFiles],
    envFiles: [...stack.envFiles],
    profiles: [...stack.profiles],
  };
}

/**
 * Lets Compose create the missing containers and recreate those with another image, from files that pin the backup's
 * images. Starts nothing. All containers are stopped already.
 *
 * @throws Error if a created container does not use the backup's image.
 */
export async function makeContainers(
  making: Making,
  { pins, model, joiners, variables }: MakingPlan,
): Promise<JournalledCreation> {
  const { session, stack, makings, manifest } = making;
  const { journal, dependencies } = session;
  const engine = await session.host.engine();
  await keepRunningImages(making, engine);
  journal.append("restore", "pin", pins);
  applyEdits(pins.forward.edits);
  const services = [...makings.create, ...makings.replace];
  const joined = servicesOf(joiners);
  const planned = await creationOf(stack, model, [...services, ...joined], engine);
  const own = variables === undefined ? {} : { variables };
  const created = { ...planned, project: { ...planned.project, ...own } };
  journal.append("restore", "create", created);
  const project = { ...created.project, composeFiles: pins.forward.composeFiles };
  const recorded = makings.create.map((name) => [name, manifest.services[name]?.replicas ?? 1]);
  const scale = { ...created.scale, ...Object.fromEntries(recorded) };
  const compose = createCompose(engine, project);
  for (const { id } of joiners) await removeContainer(engine, id, { volumes: false });
  const { signal } = dependencies;
  const needs = neededServices(model);
  const scaleOfAll = (names: readonly string[]) => scaleFor(scale, needs, names);
  const before = stack.containers.map(described);
  const again = async (names: readonly string[]) => {
    const own = before.filter(({ service }) => names.includes(service));
    const creating = {
      ...{ engine, compose, project: project.project, scaleOf: scaleOfAll, needs, signal },
    };
    if (own.length > 0) await createExactly(own, own, creating);
  };
  await again(makings.replace);
  // Compose includes their dependencies: without them the definition would change.
  const { create } = makings;
  const added = { services: create, noStart: true, noRecreate: true, scale: scaleOfAll(create) };
  if (create.length > 0) await compose.up(added, signal);
  // After the containers that they join: Compose looks up their ids when it creates these.
  await again(joined);
  await requireOwnImages(engine, making, services);
  return created;
}

/** Protects the previous images, and volumes without a name, from pruning while a rollback may need them. */
async function keepRunningImages({ session, stack, makings }: Making, engine: Engine) {
  const images = new Map(
    stack.containers
      .filter(({ service }) => makings.replace.includes(service))
      .map(({ service, imageId }) => [service, { id: imageId, service }]),
  );
  if (images.size === 0) return;
  session.journal.append("restore", "keep", { images: [...images.values()] });
  for (const image of images.values()) {
    const volumes = stack.containers.flatMap(anonymousOf).map(({ volume }) => volume);
    await keepImage(engine, image, { id: session.id, project: stack.project }, volumes);
  }
}

async function creationOf(
  stack: StackNow,
  model: ComposeModel,
  services: readonly string[],
  engine: Engine,
): Promise<JournalledCreation> {
  const { volumes, networks } = await projectParts(engine, stack.project);
  const there = new Set(volumes);
  // They have no labels of the project.
  for (const { volume } of stack.containers.flatMap(anonymousOf)) there.add(volume);
  for (const volume of Object.values(model.volumes ?? {})) {
    const name = volume?.name;
    if (typeof name === "string" && (await hasVolume(engine, name))) there.add(name);
  }
  return {
    project: projectOf(stack),
    services: [...services],
    containers: stack.containers.map(described),
    volumes: [...there],
    networks: [...networks],
    directories: missingDirectories(model),
    scale: scaleOf(stack.containers, withNeeds(neededServices(model), services)),
    needs: neededServices(model),
  };
}

function described(container: ContainerState): JournalledCreation["containers"][number] {
  const { id, name, service } = container;
  const anonymous = anonymousOf(container);
  return { id, name, service, ...(anonymous.length === 0 ? {} : { anonymous }) };
}

/** The directories that the engine will create for bind mounts, with missing parents, outermost first. */
function missingDirectories({ services }: ComposeModel): string[] {
  const missing = new Set<string>();
  for (const { volumes } of Object.values(services)) {
    for (const { type, source = "" } of volumes ?? []) {
      if (type !== "bind" || !isAbsolute(source)) continue;
      for (let at = source; isMissing(at); at = dirname(at)) missing.add(at);
    }
  }
  return [...missing].toSorted((a, b) => a.length - b.length);
}

async function requireOwnImages(engine: Engine, { manifest, stack }: Making, services: string[]) {
  const now = await present(engine, stack.project);
  for (const service of services) {
    const own = now.filter((one) => one.service === service);
    const imageId = manifest.services[service]?.imageId;
    if (own.length > 0 && own.every((one) => one.imageId === imageId)) continue;
    throw new Error(`the new container of ${service} does not use the backup's image`);
  }
}

/** A path that cannot be accessed counts as existing. */
function isMissing(path: string): boolean {
  try {
    lstatSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/**
 * A container that is recreated must match the files, except for its image, because a rollback recreates it from the
 * files.
 */
async function refuseUnlike(
  engine: Engine,
  making: Making,
  model: ComposeModel,
  joined: readonly string[],
): Promise<void> {
  const { stack, makings } = making;
  const made = [...makings.replace, ...joined];
  const { containers, secrets } = stack;
  const own = containers.filter(({ service }) => made.includes(service));
  if (own.length === 0) return;
  const references = own.map(({ service, imageReference }) => [service, imageReference]);
  const images = Object.fromEntries(references);
  const project = projectOf(stack);
  const compared = { project, model, containers, images, services: made, secrets };
  const found = await driftOf(engine, compared);
  for (const { service, imageId } of own) {
    const isReplaced = makings.replace.includes(service);
    const named = isReplaced ? undefined : await inspectImage(engine, imageOf(model, service));
    if (!isReplaced && named?.id !== imageId) found.push(`${service}: image`);
    if (found.length > 0) {
      throw new RefusedError(`what runs differs from the files: ${found.join(", ")}`, {
        class: "changed-files",
        hint: `run \`docker compose -p ${stack.project} up --no-start\`, then restore`,
      });
    }
    const next = isReplaced ? await inspectImage(engine, making.images[service] ?? "") : named;
    const [place] =
      next === undefined ? [] : lostPlaces({ model, containers }, service, next.volumes);
    if (place === undefined) continue;
    throw new RefusedError(
      `service ${service} keeps ${place} in a volume without a name, and the image of the backup declares no volume there`,
      {
        class: "anonymous-volume",
        hint: "The service would start without that data: give the volume a name in the compose file, or give keep-images.",
      },
    );
  }
}

function imageOf({ services }: ComposeModel, service: string): string {
  return services[service]?.image ?? "";
}

function requireWritable(path: string): void {
  try {
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    throw new RefusedError(
      `${path} must be edited to pin the backup's images, but cannot be written`,
      {
        class: "pin",
        hint: "run as its owner or as root",
        cause,
      },
    );
  }
}
