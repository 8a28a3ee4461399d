import type { Clock } from "../../core/clock.ts";
import { waitFor } from "../../core/wait.ts";
import type { ComposeModel, ContainerState } from "../../model/stack.ts";
import { createCompose } from "../../stack/compose.ts";
import { removeContainer } from "../../stack/containers.ts";
import { projectContainers } from "../../stack/discovery.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectContainer } from "../../stack/inspect.ts";
import type { ComposeFiles } from "./journal-shapes.ts";

const removalMs = 60_000;
const makingRounds = 3;

/** A container that a stack had before an operation. */
interface Earlier {
  readonly name: string;
  readonly service: string;
  /** Absent in journals of earlier versions. */
  readonly imageId?: string;
  readonly ran: boolean;
}

/** The containers of a project as they are now. */
export async function present(
  engine: Pick<Engine, "docker">,
  project: string,
): Promise<ContainerState[]> {
  return (await projectContainers(engine, project)).map(({ state }) => state);
}

/**
 * Removes the containers that an operation added, with their volumes kept. Compose, or the engine on its behalf, may
 * still be about to make one: looked at until none is left.
 *
 * @throws Error when they come back again and again.
 */
export async function removeAdded(
  given: { readonly engine: Engine; readonly project: string; readonly clock: Clock },
  isAdded: (container: ContainerState) => boolean,
  before: (container: ContainerState) => Promise<void> = async () => undefined,
): Promise<void> {
  const { engine, project, clock } = given;
  const round = async () => {
    const added = (await present(engine, project)).filter(isAdded);
    for (const container of added) {
      await before(container);
      await removeContainer(engine, container.id, { volumes: false });
    }
    return added.length === 0 ? true : undefined;
  };
  if (await waitFor(round, { clock, timeoutMs: removalMs })) return;
  throw new Error("new containers come back again and again");
}

/** What making containers of before works with. */
interface Remaking {
  readonly engine: Engine;
  /** The files that name the images of before, and how to have them say so while Compose reads them. */
  readonly files: ComposeFiles;
  readonly within?: (work: () => Promise<void>) => Promise<void>;
  readonly scaleOf: (services: readonly string[]) => Readonly<Record<string, number>>;
}

/**
 * Has Compose make the containers of before that are gone, from files that name their images, and starts nothing. One
 * that ran in a namespace of a container which is gone can never be started again: it is made anew, too.
 *
 * @throws Error when one is missing afterwards, or has another image.
 */
export async function makeMissing(before: readonly Earlier[], given: Remaking): Promise<void> {
  const { engine, files, within = async (work) => await work(), scaleOf } = given;
  // What is made first may be what the next one joins.
  for (let round = 1; round <= makingRounds; round += 1) {
    await removeCutOff(before, engine, files.project);
    const there = new Set((await present(engine, files.project)).map(({ name }) => name));
    const missing = before.filter(({ name }) => !there.has(name));
    if (missing.length === 0) break;
    const services = [...new Set(missing.map(({ service }) => service))];
    await within(async () => {
      const compose = createCompose(engine, files);
      await compose.up({ services, noStart: true, scale: scaleOf(services) });
    });
  }
  const now = await present(engine, files.project);
  for (const { name, imageId = "" } of before) {
    const found = now.find((one) => one.name === name);
    if (found === undefined) throw new Error(`container ${name} could not be made again`);
    if (imageId !== "" && found.imageId !== imageId) throw new Error(`${name} has another image`);
  }
}

async function removeCutOff(before: readonly Earlier[], engine: Engine, project: string) {
  const ran = new Set(before.filter((one) => one.ran).map(({ name }) => name));
  for (const { id, name, joins } of await present(engine, project)) {
    if (ran.has(name) && (await joinsNobody(engine, joins))) {
      await removeContainer(engine, id, { volumes: false });
    }
  }
}

/** Whether a container joins a namespace of one that is not there any more. */
export async function joinsNobody(
  engine: Pick<Engine, "docker">,
  joins: readonly string[] = [],
): Promise<boolean> {
  for (const provider of joins) {
    if ((await inspectContainer(engine, provider)) === undefined) return true;
  }
  return false;
}

/** The services and everything that they depend on, by what each needs. */
export function withNeeds(
  needs: Readonly<Record<string, readonly string[]>>,
  names: readonly string[],
): string[] {
  const all = new Set(names);
  // A set that grows while it is walked is walked to its end.
  for (const name of all) for (const need of needs[name] ?? []) all.add(need);
  return [...all];
}

/** The part of a scale that is about these services and what they need: Compose refuses the name of any other. */
export function scaleFor(
  scale: Readonly<Record<string, number>>,
  needs: Readonly<Record<string, readonly string[]>>,
  services: readonly string[],
): Record<string, number> {
  const own = new Set(withNeeds(needs, services));
  return Object.fromEntries(Object.entries(scale).filter(([name]) => own.has(name)));
}

/** The services that each service of a model needs. */
export function neededServices({ services }: Pick<ComposeModel, "services">) {
  return Object.fromEntries(
    Object.entries(services).map(([name, { depends_on: needs }]) => [
      name,
      Object.keys(needs ?? {}).filter((need) => need in services),
    ]),
  );
}

/** How many containers each of some services has, also none: Compose must not make or remove any. */
export function scaleOf(
  containers: readonly Pick<ContainerState, "service">[],
  services: readonly string[],
): Record<string, number> {
  const count = (name: string) => containers.filter(({ service }) => service === name).length;
  return Object.fromEntries(services.map((name) => [name, count(name)]));
}
