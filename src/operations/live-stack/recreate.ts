import type { Clock } from "../../core/clock.ts";
import { describeError, RefusedError } from "../../core/errors.ts";
import { waitFor } from "../../core/wait.ts";
import type { ComposeModel, ContainerState } from "../../model/stack.ts";
import { carryVolumes, hasVolumes } from "../../stack/carried-volumes.ts";
import { type Compose, createCompose } from "../../stack/compose.ts";
import { removeContainer } from "../../stack/containers.ts";
import { projectContainers } from "../../stack/discovery.ts";
import type { Engine } from "../../stack/engine.ts";
import { inspectContainer } from "../../stack/inspect.ts";
import type { AnonymousVolume } from "../../stack/like-container.ts";
import { pauseContainer } from "../../stack/pause.ts";
import type { ComposeFiles } from "./journal-shapes.ts";
import { highestNumbers } from "./replica-numbers.ts";

const removalMs = 60_000;
const makingRounds = 3;

/** A container that a stack had before an operation. */
interface Earlier {
  readonly name: string;
  readonly service: string;
  /** Absent in journals of earlier versions. */
  readonly imageId?: string;
  readonly ran: boolean;
  /** Its volumes without a name, which the recreated container gets. Absent: none. */
  readonly anonymous?: readonly AnonymousVolume[] | undefined;
}

/** The current containers of a project. */
export async function present(
  engine: Pick<Engine, "docker">,
  project: string,
): Promise<ContainerState[]> {
  return (await projectContainers(engine, project)).map(({ state }) => state);
}

/**
 * Removes the containers that an operation added and keeps their volumes. Compose, or the engine on its behalf, may
 * still be creating one, so this function checks until none is left.
 *
 * @throws Error when new containers keep appearing.
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
  throw new Error("new containers keep appearing although they were removed");
}

/** What recreating the previous containers needs. */
interface Remaking {
  readonly engine: Engine;
  /** The files that name the previous images. */
  readonly files: ComposeFiles;
  /** Runs the work while these files have the right content. */
  readonly within?: (work: () => Promise<void>) => Promise<void>;
  readonly scaleOf: (services: readonly string[]) => Readonly<Record<string, number>>;
  /** What each service depends on. Absent in journals of earlier versions. */
  readonly needs: Readonly<Record<string, readonly string[]>> | undefined;
}

/**
 * Recreates missing containers with Compose, from files that name their images, and starts nothing. A container that
 * ran in a namespace of a removed container can never be started again, so it is recreated, too.
 *
 * @throws Error when a container is missing afterwards or has another image.
 */
export async function makeMissing(before: readonly Earlier[], given: Remaking): Promise<void> {
  const { engine, files, within = async (work) => await work(), scaleOf, needs } = given;
  let failure: unknown;
  // A container may join the namespace of one that an earlier round recreated.
  for (let round = 1; round <= makingRounds; round += 1) {
    await removeCutOff(before, engine, files.project);
    const there = await present(engine, files.project);
    const missing = before.filter((one) => !there.some((other) => isWhole(other, one)));
    if (missing.length === 0) break;
    await within(async () => {
      const compose = createCompose(engine, files);
      const creating = { engine, compose, project: files.project, scaleOf, needs };
      try {
        await createExactly(missing, before, creating);
        failure = undefined;
      } catch (error) {
        failure = error;
        await createEach(missing, before, creating);
      }
    });
  }
  const now = await present(engine, files.project);
  for (const one of before) {
    const { name, imageId = "" } = one;
    const found = now.find((other) => other.name === name);
    if (found === undefined) {
      const why = failure === undefined ? "" : `: ${describeError(failure)}`;
      throw new Error(`container ${name} could not be recreated${why}`, { cause: failure });
    }
    if (imageId !== "" && found.imageId !== imageId) throw new Error(`${name} has another image`);
    if (!isWhole(found, one)) throw new Error(`${name} has other volumes than before`);
  }
}

/** An interruption may have left a container of Compose that did not get its volumes yet. */
function isWhole(found: ContainerState, { name, anonymous = [] }: Earlier): boolean {
  return found.name === name && hasVolumes(found, anonymous);
}

/** What creating containers needs. */
interface Creating {
  readonly engine: Engine;
  readonly compose: Pick<Compose, "up">;
  readonly project: string;
  readonly scaleOf: Remaking["scaleOf"];
  readonly needs: Remaking["needs"];
  readonly signal?: AbortSignal | undefined;
}

type Numbered = Pick<Earlier, "name" | "service" | "anonymous">;

/**
 * Lets Compose create missing containers under the names that they had, and starts nothing. Containers of other
 * services stay as they are, whatever Compose thinks of their definition: its hash differs between its versions.
 *
 * Compose numbers the replicas of a service upwards from those that exist. So none of a service may exist while one is
 * missing, and where a number was free before, one more is created for it and removed again.
 *
 * Volumes without a name are carried over. Their container is then another one than Compose created, so each service is
 * created after those whose containers it refers to.
 *
 * @param missing - the containers to create; all others of their services are stopped
 * @param all - all containers that these services had
 */
export async function createExactly(
  missing: readonly Numbered[],
  all: readonly Numbered[],
  creating: Creating,
): Promise<void> {
  const { engine, project, needs = {} } = creating;
  const services = [...new Set(missing.map(({ service }) => service))];
  const own = all.filter(({ service }) => services.includes(service));
  for (const { id, service } of await present(engine, project)) {
    if (services.includes(service)) await removeContainer(engine, id, { volumes: false });
  }
  const hasAnonymous = own.some(({ anonymous = [] }) => anonymous.length > 0);
  const groups = hasAnonymous ? needsFirst(services, needs).map((one) => [one]) : [services];
  for (const group of groups) await createGroup(group, own, creating);
}

async function createGroup(
  services: readonly string[],
  all: readonly Numbered[],
  { engine, compose, project, scaleOf, needs = {}, signal }: Creating,
): Promise<void> {
  const own = all.filter(({ service }) => services.includes(service));
  const scale = { ...scaleOf(services), ...highestNumbers(own, project) };
  const create = () => compose.up({ services, noStart: true, noRecreate: true, scale }, signal);
  await unpausedMeanwhile(engine, { project, services: withNeeds(needs, services) }, create);
  for (const { id, name, service } of await present(engine, project)) {
    if (!services.includes(service)) continue;
    const before = own.find((one) => one.name === name);
    if (before === undefined) await removeContainer(engine, id, { volumes: false });
    else await carryVolumes(engine, id, before.anonymous ?? []);
  }
}

/**
 * Even if it is to start nothing, Compose starts a paused container of a service that another one depends on, which the
 * engine refuses. So such a container runs for the moment.
 */
async function unpausedMeanwhile(
  { docker }: Pick<Engine, "docker">,
  { project, services }: { readonly project: string; readonly services: readonly string[] },
  work: () => Promise<void>,
): Promise<void> {
  const paused = (await present({ docker }, project)).filter(
    ({ service, state }) => state === "paused" && services.includes(service),
  );
  try {
    for (const { id } of paused) await docker.getContainer(id).unpause();
    await work();
  } finally {
    for (const { id } of paused) {
      const [one] = (await present({ docker }, project)).filter((other) => other.id === id);
      if (one?.state === "running") await pauseContainer({ docker }, id);
    }
  }
}

/** The services, each after those that it needs. */
export function needsFirst(
  services: readonly string[],
  needs: Readonly<Record<string, readonly string[]>>,
): string[] {
  const sorted = new Set<string>();
  const seen = new Set<string>();
  const visit = (service: string): void => {
    if (seen.has(service)) return;
    seen.add(service);
    for (const need of needs[service] ?? []) visit(need);
    if (services.includes(service)) sorted.add(service);
  };
  for (const service of services) visit(service);
  return [...sorted];
}

/**
 * Each service by itself: one that cannot be created keeps no other one down. It may be possible in a next round, since
 * Compose does not know the order of services that are joined by `container:NAME`.
 */
async function createEach(
  missing: readonly Numbered[],
  all: readonly Numbered[],
  creating: Creating,
): Promise<void> {
  for (const service of new Set(missing.map((one) => one.service))) {
    const own = missing.filter((one) => one.service === service);
    await createExactly(own, all, creating).catch(() => undefined);
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

/** Whether a container joins a namespace of one that no longer exists. */
export async function joinsNobody(
  engine: Pick<Engine, "docker">,
  joins: readonly string[] = [],
): Promise<boolean> {
  for (const provider of joins) {
    if ((await inspectContainer(engine, provider)) === undefined) return true;
  }
  return false;
}

/**
 * Makes sure that containers can be started again once they are stopped.
 *
 * @throws RefusedError for one that joins a namespace of a container that no longer exists.
 */
export async function requireStartable(
  engine: Pick<Engine, "docker">,
  containers: readonly Pick<ContainerState, "service" | "joins">[],
): Promise<void> {
  for (const { service, joins } of containers) {
    if (!(await joinsNobody(engine, joins))) continue;
    throw new RefusedError(
      `service ${service} uses a namespace of a container that no longer exists: once stopped, it could not be started again`,
      {
        class: "no-provider",
        hint: `Recreate it with \`docker compose up -d ${service}\`, then try again.`,
      },
    );
  }
}

/** The named services and everything that they depend on. */
export function withNeeds(
  needs: Readonly<Record<string, readonly string[]>>,
  names: readonly string[],
): string[] {
  const all = new Set(names);
  // The iteration also visits entries that are added to the set meanwhile.
  for (const name of all) for (const need of needs[name] ?? []) all.add(need);
  return [...all];
}

/** The part of a scale that concerns these services and their dependencies: Compose refuses any other name. */
export function scaleFor(
  scale: Readonly<Record<string, number>>,
  needs: Readonly<Record<string, readonly string[]>>,
  services: readonly string[],
): Record<string, number> {
  const own = new Set(withNeeds(needs, services));
  return Object.fromEntries(Object.entries(scale).filter(([name]) => own.has(name)));
}

/** The dependencies of each service in a model. */
export function neededServices({ services }: Pick<ComposeModel, "services">) {
  return Object.fromEntries(
    Object.entries(services).map(([name, { depends_on: needs }]) => [
      name,
      Object.keys(needs ?? {}).filter((need) => need in services),
    ]),
  );
}

/** The container count of each given service, zero included: Compose must not add or remove any. */
export function scaleOf(
  containers: readonly Pick<ContainerState, "service">[],
  services: readonly string[],
): Record<string, number> {
  const count = (name: string) => containers.filter(({ service }) => service === name).length;
  return Object.fromEntries(services.map((name) => [name, count(name)]));
}
