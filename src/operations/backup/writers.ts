import type { z } from "zod";
import type { ContainerState, Stack, VolumeStore } from "../../model/stack.ts";
import {
  type Dependencies,
  dependenciesOf,
  inStartOrder,
  joinersOf,
} from "../live-stack/depends-on.ts";
import { refuseOwnStarts } from "../live-stack/own-starts.ts";
import { present, requireStartable } from "../live-stack/recreate.ts";
import { patientWaits, startContainers, type Wanted } from "../live-stack/start.ts";
import { stopContainers } from "../live-stack/stop.ts";
import type { RecoveryContext } from "../session/dependencies.ts";
import type { backupSteps, RestorePointSession } from "./journal.ts";
import { stoppedVolumes } from "./volume-modes.ts";

const dependencyMs = 180_000;

/**
 * Makes sure that every container that the backup stops can be started again.
 *
 * @throws RefusedError.
 */
export async function requireWritersStartable(session: RestorePointSession): Promise<void> {
  const { options, stack, host } = session;
  const live = options.consistency === "live";
  const stops = live ? stoppedVolumes(stack, options) : [];
  const ids = new Set(stops.flatMap(({ writers = [] }) => writers));
  const chosen = live ? writersOf(stack).filter(({ id }) => ids.has(id)) : writersOf(stack);
  const writers = changedBy(stack, chosen).all;
  if (writers.length > 0) refuseOwnStarts(stack.model);
  const brokers = options.rabbitmqMessages === "stop" ? brokersOf(stack) : [];
  await requireStartable(await host.engine(), [...writers, ...brokers]);
}

/**
 * With `consistency: stopped`, runs `work` while only the stores' servers run, then starts exactly the containers that
 * ran before, in Compose's order. Otherwise only runs `work`.
 */
export async function withWritersStopped(
  session: RestorePointSession,
  work: () => Promise<void>,
): Promise<void> {
  if (session.options.consistency === "live") return await work();
  await withStopped(session, writersOf(session.stack), work);
}

/**
 * Runs `work` while only one store's writers are stopped, then starts exactly those that ran before. Servers of other
 * stores keep running.
 */
export async function withVolumeStopped<T>(
  session: RestorePointSession,
  { writers = [] }: VolumeStore,
  work: () => Promise<T>,
): Promise<T> {
  const own = writersOf(session.stack).filter(({ id }) => writers.includes(id));
  return own.length === 0 ? await work() : await withStopped(session, own, work);
}

async function withStopped<T>(
  session: RestorePointSession,
  chosen: readonly ContainerState[],
  work: () => Promise<T>,
): Promise<T> {
  const { containers, journal, stack, undo, dependencies: given } = session;
  const { all, stopped, dependencies } = changedBy(stack, chosen);
  const before = Object.fromEntries(
    all.map(({ id, state, health }) => [
      id,
      { paused: state === "paused", healthy: health === "healthy" },
    ]),
  );
  journal.append("copy", "stop", { containers: Object.keys(before), before, dependencies });
  const wanted = all.map((one) => wantedOf(one, before[one.id]));
  const start = async () =>
    await given.reporter.group("Start the stopped containers", () =>
      startAgain(wanted, { ...session, ...given, project: stack.project, dependencies }),
    );
  // If the start fails, the journal stays open and a later run continues.
  undo.add("start the stopped containers", start);
  await given.reporter.group("Stop the writers", () =>
    stopContainers(containers, stopped, { dependencies }),
  );
  const result = await work();
  await start();
  return result;
}

/** The containers that a stopped backup stops, and all that it starts afterwards. */
function changedBy(stack: Stack, chosen: readonly ContainerState[]) {
  const dependencies = dependenciesOf(stack.model);
  const writers = inStartOrder(chosen, dependencies);
  const runs = stack.containers.filter(({ state }) => state === "running" || state === "paused");
  const all = inStartOrder([...writers, ...joinersOf(runs, writers)], dependencies);
  // A server that joins a namespace of a writer keeps running now, and is restarted with the writer.
  const servers = serversOf(stack);
  return { all, stopped: all.filter(({ service }) => !servers.has(service)), dependencies };
}

function brokersOf({ stores, containers }: Stack): ContainerState[] {
  const ids = stores.flatMap((store) => (store.kind === "rabbitmq" ? [store.containerId] : []));
  return containers.filter(({ id }) => ids.includes(id));
}

/**
 * Starts the containers that a killed backup stopped. A container that a person has removed meanwhile is not recreated.
 * Waits for pending stops first: a container started during one is stopped again.
 */
export async function startStopped(
  { time, data }: Stopped,
  context: RecoveryContext,
): Promise<void> {
  const { before = {}, dependencies } = data;
  const { containers, host, project, dependencies: given } = context;
  const all = (await present(await host.engine(), project)).filter(({ id }) =>
    data.containers.includes(id),
  );
  const pending = all.filter(
    ({ state, startedAt }) => state === "running" && Date.parse(startedAt) < Date.parse(time),
  );
  await stopContainers(containers, pending, { dependencies });
  const wanted = all.map((one) => wantedOf(one, before[one.id]));
  await startAgain(wanted, { containers, host, project, ...given, dependencies });
}

/** The running containers of services that are not store servers, including those between restarts in a crash loop. */
function writersOf(stack: Stack): ContainerState[] {
  const servers = serversOf(stack);
  return stack.containers.filter(
    ({ state, service }) =>
      (state === "running" || state === "restarting") && !servers.has(service),
  );
}

function serversOf({ stores }: Stack): ReadonlySet<string> {
  return new Set(stores.flatMap((store) => ("service" in store ? [store.service] : [])));
}

/** Journals of older versions lack the previous state. A container with a health check was probably healthy. */
function wantedOf(
  { name }: ContainerState,
  { paused, healthy } = { paused: false, healthy: true },
): Wanted {
  return { name, state: paused ? "paused" : "running", healthy };
}

/** The journal entry of the stopped containers. */
interface Stopped {
  readonly time: string;
  readonly data: z.output<(typeof backupSteps)["stop"]>;
}

type StartingAgain = Pick<RecoveryContext, "containers" | "host" | "project"> &
  Pick<RecoveryContext["dependencies"], "clock" | "reporter"> & {
    readonly dependencies: Dependencies | undefined;
  };

async function startAgain(wanted: readonly Wanted[], given: StartingAgain): Promise<void> {
  const { containers, host, project, clock, reporter, dependencies } = given;
  const engine = await host.engine();
  const waits = patientWaits({ containers, clock, reporter, timeoutMs: dependencyMs });
  const look = () => present(engine, project);
  await startContainers(wanted, { containers, present: look, dependencies, clock }, waits);
}
