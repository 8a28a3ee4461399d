import type { z } from "zod";
import type { ContainerState, Stack } from "../../model/stack.ts";
import {
  type Dependencies,
  dependenciesOf,
  inStartOrder,
  joinersOf,
} from "../live-stack/depends-on.ts";
import { present } from "../live-stack/recreate.ts";
import { patientWaits, startContainers, type Wanted } from "../live-stack/start.ts";
import { stopContainers } from "../live-stack/stop.ts";
import type { RecoveryContext } from "../session/dependencies.ts";
import type { backupSteps, RestorePointSession } from "./journal.ts";

const dependencyMs = 180_000;

/**
 * With `consistency: stopped`, runs `work` while nothing but the stores' servers runs, and starts again exactly
 * what ran, in Compose's order. Otherwise just runs `work`.
 */
export async function withWritersStopped(
  session: RestorePointSession,
  work: () => Promise<void>,
): Promise<void> {
  if (session.options.consistency === "live") return await work();
  const { containers, journal, stack, undo, dependencies: given } = session;
  const dependencies = dependenciesOf(stack.model);
  const writers = inStartOrder(writersOf(stack), dependencies);
  const runs = stack.containers.filter(({ state }) => state === "running" || state === "paused");
  const all = inStartOrder([...writers, ...joinersOf(runs, writers)], dependencies);
  // A server that joins a namespace of a writer has to go on meanwhile, and is restarted with it.
  const servers = serversOf(stack);
  const stopped = all.filter(({ service }) => !servers.has(service));
  const before = Object.fromEntries(
    all.map(({ id, state, health }) => [
      id,
      { paused: state === "paused", healthy: health === "healthy" },
    ]),
  );
  journal.append("copy", "stop", { containers: Object.keys(before), before, dependencies });
  const wanted = all.map((one) => wantedOf(one, before[one.id]));
  const start = async () =>
    await given.reporter.group("Start what was stopped", () =>
      startAgain(wanted, { ...session, ...given, project: stack.project, dependencies }),
    );
  // Where the start itself fails the journal stays open, and a later run goes on from there.
  undo.add("start what was stopped", start);
  await given.reporter.group("Stop what writes", () =>
    stopContainers(containers, stopped, { dependencies }),
  );
  await work();
  await start();
}

/**
 * Starts what a killed backup stopped. A container that a person has removed meanwhile is not brought back; one that
 * the engine is still about to stop would be down for good if its start came first.
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

/** Running containers of services that are no store's server, also those between two tries of a crash loop. */
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

/** A journal of an older version does not tell how they were: those with a health check were healthy, most likely. */
function wantedOf(
  { name }: ContainerState,
  { paused, healthy } = { paused: false, healthy: true },
): Wanted {
  return { name, state: paused ? "paused" : "running", healthy };
}

/** The journal's word of what was stopped. */
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
