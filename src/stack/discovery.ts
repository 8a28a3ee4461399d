import type { Containers } from "../core/containers.ts";
import { RefusedError } from "../core/errors.ts";
import type { TaskRunner } from "../core/task.ts";
import { type ComposeModel, type DiscoveredStore, hasServer, type Stack } from "../model/stack.ts";
import { type ComposeProject, createCompose } from "./compose.ts";
import type { PlaceOptions } from "./data-place.ts";
import type { Engine } from "./engine.ts";
import { findSecrets } from "./find-secrets.ts";
import { type InspectedContainer, inspectContainer } from "./inspect.ts";
import { composeLabels, isOfStack } from "./labels.ts";
import { placeStores } from "./places.ts";
import { isGateway, sophonProfile } from "./profile.ts";
import { profilesFor } from "./profile-choice.ts";
import { locateProject, type ProjectOptions } from "./project.ts";
import { describeServer } from "./server.ts";
import {
  isClientCommand,
  kindOfContainer,
  kindOfImage,
  type ServerKind,
  serverKinds,
} from "./server-kind.ts";
import { findSharedUses } from "./shared.ts";

/** Everything that an input can set about the stack. What is not set is discovered. */
interface DiscoveryOptions extends ProjectOptions, PlaceOptions {
  readonly postgresService?: string | undefined;
  readonly qdrantService?: string | undefined;
  readonly redisService?: string | undefined;
  readonly rabbitmqService?: string | undefined;
  readonly databaseUser?: string | undefined;
  readonly databaseName?: string | undefined;
}

/** A container that runs a server of a kind. */
interface FoundServer {
  readonly kind: ServerKind;
  readonly container: InspectedContainer;
}

/** What discovery uses. */
interface DiscoveryDeps {
  readonly engine: Engine;
  readonly containers: Pick<Containers, "exec">;
  readonly tasks: TaskRunner;
  readonly signal?: AbortSignal | undefined;
}

/** The input that selects the service for each kind of server. A kind may have no input. */
const serviceInputs: Partial<
  Record<ServerKind, { readonly option: keyof DiscoveryOptions; readonly input: string }>
> = {
  postgres: { option: "postgresService", input: "postgres-service" },
  qdrant: { option: "qdrantService", input: "qdrant-service" },
  redis: { option: "redisService", input: "redis-service" },
  rabbitmq: { option: "rabbitmqService", input: "rabbitmq-service" },
};

/**
 * Finds the stack: its project and files, its containers, and every place where it keeps data. Changes nothing.
 *
 * The mounts of the containers decide, never a name derived from the compose file. Stopped servers are found too:
 * {@link requireRunning} refuses them if they are needed.
 *
 * @throws RefusedError that names the input to set, when nothing is found or something is ambiguous, missing, empty or
 *   misspelt.
 */
export async function discover(options: DiscoveryOptions, deps: DiscoveryDeps): Promise<Stack> {
  const located = await locateProject(deps.engine, options);
  const inspected = await projectContainers(deps.engine, located.project);
  const { project, model, unset } = await readModel(deps.engine, located, inspected);
  if (inspected.length === 0)
    throw new RefusedError(`project ${project.project} has no container`, {
      class: "no-project",
      hint: "Start the stack once (`docker compose up -d`), or check project-directory and project-name.",
    });
  const servers = findServers(inspected, model, options);
  const serverStores: DiscoveredStore[] = await Promise.all(
    servers.map(({ kind, container }) => {
      const { postgresService = container.state.service } = options;
      const isNamed = container.state.service === postgresService;
      const { databaseUser, databaseName } = isNamed ? options : {};
      const context = { containers: deps.containers, model, databaseUser, databaseName };
      return describeServer(kind, container, context);
    }),
  );
  const containers = inspected.map(({ state }) => state);
  const placed = await placeStores(containers, model, serverStores, options, deps);
  const sophon = containers.some((container) =>
    isGateway(sophonProfile, container.service, container.imageReference),
  );
  const stores = placed.stores;
  const shared = await findSharedUses(deps.engine, { project: project.project, stores });
  return {
    ...project,
    tier: sophon ? sophonProfile.tier(new Set(stores.map(({ kind }) => kind))) : "other",
    model,
    containers,
    stores,
    excluded: placed.excluded,
    secrets: findSecrets(containers, serverStores),
    unset,
    notes: [
      ...unset.map(
        (name) => `variable ${name} is not set here: the compose files get an empty text for it`,
      ),
      ...placed.notes,
      ...shared.map(
        (use) =>
          `${use.source} is also used by container ${use.container}${use.project === "" ? "" : ` of project ${use.project}`}`,
      ),
    ],
  };
}

/**
 * The stack without its stores, for a stack that may be broken: its data is not examined.
 *
 * @throws RefusedError that names the input to set, when the project is not found or is ambiguous.
 */
export async function readStack(options: ProjectOptions, engine: Engine): Promise<Stack> {
  const located = await locateProject(engine, options);
  const inspected = await projectContainers(engine, located.project);
  const { project, model, unset } = await readModel(engine, located, inspected);
  const containers = inspected.map(({ state }) => state);
  const nothing = { tier: "other", stores: [], excluded: [] } as const;
  return { ...project, model, unset, containers, ...nothing, secrets: findSecrets(containers, []) };
}

/**
 * Makes sure that every server that produces its own backup is running.
 *
 * @throws RefusedError that names the service that is not running.
 */
export function requireRunning(stack: Pick<Stack, "stores" | "containers">): void {
  for (const store of stack.stores) {
    if (!hasServer(store)) continue;
    const container = stack.containers.find(({ id }) => id === store.containerId);
    if (container?.state === "running") continue;
    throw new RefusedError(`service ${store.service} is not running (${container?.state})`, {
      class: "not-running",
      hint: `Start it with \`docker compose up -d ${store.service}\`, or leave it out with exclude: ${store.service}.`,
    });
  }
}

/** The current containers of a project, without one-off runs and without those that this tool created. */
export async function projectContainers(
  engine: Pick<Engine, "docker">,
  project: string,
): Promise<InspectedContainer[]> {
  const filters = { label: [`${composeLabels.project}=${project}`] };
  const all = await engine.docker.listContainers({ all: true, filters });
  const own = all.filter(({ Labels }) => isOfStack(Labels));
  const inspected = await Promise.all(own.map(({ Id }) => inspectContainer(engine, Id)));
  return inspected
    .filter((container) => container !== undefined)
    .toSorted((a, b) => a.state.name.localeCompare(b.state.name));
}

/**
 * The model with every profile that has containers. No label records which profiles were chosen, and a service that is
 * missing from the model would be missing from every later command.
 */
async function readModel(
  engine: Engine,
  project: ComposeProject,
  containers: readonly InspectedContainer[],
): Promise<{ project: ComposeProject; model: ComposeModel; unset: readonly string[] }> {
  let unset: readonly string[] = [];
  const read = async (profiles: readonly string[]) => {
    const compose = createCompose(engine, { ...project, profiles }, [], (names) => {
      unset = names;
    });
    return await compose.config();
  };
  const model = await read(project.profiles);
  const absent = containers.map(({ state }) => state.service).filter((s) => !(s in model.services));
  if (absent.length === 0 || project.profiles.length > 0) return { project, model, unset };
  const everything = await read(["*"]);
  // Compose ignores COMPOSE_PROFILES if a profile is given as a flag: name what is active already, too.
  const profiles = profilesFor(everything, [...Object.keys(model.services), ...absent]);
  if (profiles.length === 0) return { project, model, unset };
  return { project: { ...project, profiles }, model: await read(profiles), unset };
}

/** The containers of all servers, in the order of their dependencies. A stack may have several servers of a kind. */
function findServers(
  containers: readonly InspectedContainer[],
  model: ComposeModel,
  options: DiscoveryOptions,
): FoundServer[] {
  const excluded = new Set(options.exclude ?? []);
  const left = containers.filter(({ state }) => !excluded.has(state.service));
  const servers: FoundServer[] = [];
  for (const kind of serverKinds()) {
    const { option, input } = serviceInputs[kind] ?? {};
    const named = option === undefined ? undefined : (options[option] as string | undefined);
    if (named !== undefined && !(named in model.services))
      throw new RefusedError(`${input}: there is no service ${named}`, {
        class: "no-service",
        hint: `The services are ${Object.keys(model.services).join(", ")}.`,
      });
    const found = left.filter(({ state, argv }) =>
      state.service === named
        ? true
        : kindOfContainer(state) === kind && !isClientCommand(kind, argv),
    );
    const services = [...new Set(found.map(({ state }) => state.service))];
    refuseWithoutContainer(kind, model, named, services, excluded);
    for (const service of services) {
      const replicas = found.filter(({ state }) => state.service === service);
      const [container] = replicas;
      if (replicas.length > 1)
        throw new RefusedError(`service ${service} has ${replicas.length} replicas`, {
          class: "replicas",
          hint: `More than one replica of a ${kind} server is not supported; leave it out with exclude: ${service}.`,
        });
      if (container !== undefined) servers.push({ kind, container });
    }
  }
  refuseUnclearDatabase(servers, options);
  return servers;
}

/** @throws RefusedError if an input describes one PostgreSQL server and it is not clear which one. */
function refuseUnclearDatabase(servers: readonly FoundServer[], options: DiscoveryOptions): void {
  const { databaseUser, databaseName, postgresService } = options;
  const several = servers.filter(({ kind }) => kind === "postgres");
  if (several.length < 2 || postgresService !== undefined) return;
  const input =
    databaseUser !== undefined ? "database-user" : databaseName !== undefined && "database-name";
  if (typeof input !== "string") return;
  const services = several.map(({ container }) => container.state.service).join(", ");
  throw new RefusedError(`${input}: several services are postgres servers: ${services}`, {
    class: "ambiguous-service",
    hint: `Name the service that ${input} belongs to with postgres-service. The others keep what their environment says.`,
  });
}

/** A store in the compose file that was never started here must not be left out silently. */
function refuseWithoutContainer(
  kind: ServerKind,
  model: ComposeModel,
  named: string | undefined,
  found: readonly string[],
  excluded: ReadonlySet<string>,
): void {
  for (const [service, { image, ...rest }] of Object.entries(model.services)) {
    const argv = [rest.entrypoint, rest.command].flatMap((part) =>
      Array.isArray(part) ? part.map(String) : typeof part === "string" ? [part] : [],
    );
    const runsServer = kindOfImage(image ?? "") === kind && !isClientCommand(kind, argv);
    const wanted = service === named || runsServer;
    const scaledToNone = rest.scale === 0;
    if (!wanted || scaledToNone || excluded.has(service) || found.includes(service)) continue;
    throw new RefusedError(`service ${service} has no container`, {
      class: "no-container",
      hint: `Start it with \`docker compose up -d ${service}\`, or leave it out with exclude: ${service}.`,
    });
  }
}
