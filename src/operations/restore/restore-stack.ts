import { basename, join, relative } from "node:path";
import { describeError } from "../../core/errors.ts";
import { realPath } from "../../core/real-path.ts";
import { waitFor } from "../../core/wait.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { ContainerState, Mount } from "../../model/stack.ts";
import { startFirst } from "../../stack/first-start.ts";
import { serverOf } from "../../stack/scratch.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { StackFiles } from "../../stores/stack-files/stack-files.ts";
import { placingFor, treeReplace } from "../../stores/tree/replace.ts";
import { fileOf, mountsForAll, placesInside, replacementPlace } from "../../stores/tree/restore.ts";
import { contractOf } from "../fill/backed-up-store.ts";
import { fillStores } from "../fill/fill-stores.ts";
import { dependenciesOf, joins } from "../live-stack/depends-on.ts";
import { present } from "../live-stack/recreate.ts";
import {
  type StartContext,
  startContainers,
  type Waits,
  type Wanted,
} from "../live-stack/start.ts";
import { readJournal } from "../session/journal.ts";
import type { StackNow } from "./current-stack.ts";
import {
  type JournalledReplacement,
  type RestoreSession,
  restoreJournal,
  restoreSteps,
  stampOfAside,
} from "./journal.ts";
import { judgeLogs } from "./log-check.ts";
import { type Prepared, type PrepareRequest, prepare } from "./prepare.ts";
import { standing, standingPlace } from "./put-stack-files.ts";
import { compareHeads } from "./schema-heads.ts";
import { finishRestore } from "./undo-restore.ts";

/** The input of a restore of a stack. */
interface RestoreRequest extends Omit<PrepareRequest, "files"> {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  /** Undefined if the stack's files are not restored. */
  readonly files: StackFiles | undefined;
}

/** The result of a restore. */
export interface LiveRestored {
  readonly checks: readonly Check[];
  /** The paths of the previous content. */
  readonly setAside: readonly string[];
  /** From the first stopped container (on a bare host, from the first file) until the last container is healthy. */
  readonly downtimeSeconds: number;
}

/**
 * Prepares every container that the backup needs, sets the stack's content aside, restores every store, starts the
 * stack and checks it. Each step is written to the journal first. Nothing is removed.
 *
 * @throws Error if a store differs from the backup, or the stack does not start; RefusedError if a change could not be
 *   undone.
 */
export async function restoreLive(request: RestoreRequest): Promise<LiveRestored> {
  const { session, manifest, source, files } = request;
  const { reporter, clock } = session.dependencies;
  const begun = clock.monotonicMs();
  const backedUp = files === undefined ? undefined : { manifest, source, files };
  const prepared = await prepare({ ...request, files: backedUp });
  const setAside = await reporter.group("Set the content aside", () =>
    emptyPlaces(request, prepared),
  );
  const filled = await fill(request, prepared);
  refuseBad(filled.checks);
  session.journal.append("restore", "start", {});
  const health = await reporter.group("Start the stack", () => startAll(request, prepared));
  refuseBad(health);
  const downtimeSeconds = (clock.monotonicMs() - begun) / 1000;
  const checks = [...filled.checks, ...health, ...(await judge(request, prepared))];
  await enableRestarts(session, prepared);
  const emptied = setAside.filter(({ isNew }) => isNew).map(({ replacement }) => replacement);
  await finish(session, [...filled.replacements, ...emptied]);
  return {
    checks,
    setAside: setAside.filter(({ isNew }) => !isNew).map(({ aside }) => aside),
    downtimeSeconds,
  };
}

/** The checks of verification level 3, after the application has started on the restored data. */
async function judge(
  { session, files }: RestoreRequest,
  { stores, containers }: Prepared,
): Promise<Check[]> {
  const logs = await judgeLogs(session, containers);
  refuseBad(logs);
  const isOwnImage = files !== undefined && !session.options.keepImages;
  const heads = await compareHeads(session, stores, containers, isOwnImage);
  refuseBad(heads);
  return [...logs, ...heads];
}

/** Gives the containers their restart policies back. */
export async function enableRestarts(
  { containers }: Pick<RestoreSession, "containers">,
  prepared: Pick<Prepared, "containers">,
): Promise<void> {
  for (const { id, restartPolicy } of prepared.containers) {
    await containers.setRestartPolicy(id, restartPolicy);
  }
}

/** Records that the restore has succeeded, and cleans up. A failed clean-up is only a warning. */
export async function finish(
  session: RestoreSession,
  discard: readonly JournalledReplacement[],
): Promise<void> {
  const { repository, journal, host, id, tasks, dependencies } = session;
  const left = await present(await host.engine(), session.project);
  const containers = left.map(({ name, imageId }) => ({ name, imageId }));
  journal.append("restore", "restored", { discard: [...discard], containers });
  const { entries } = readJournal(repository.operations, journal.id, restoreJournal);
  try {
    await finishRestore(entries, { tasks, engine: await host.engine(), id });
  } catch (error) {
    dependencies.reporter.warning(`clean-up after the restore failed: ${describeError(error)}`);
  }
}

interface SetAside {
  readonly aside: string;
  readonly isNew: boolean;
  readonly replacement: JournalledReplacement;
}

async function emptyPlaces(
  { session }: RestoreRequest,
  { stores, containers, isNew }: Prepared,
): Promise<SetAside[]> {
  const { journal, dependencies, host, id } = session;
  const places = stores.map(({ mount }) => realPath(mount.source));
  const placeAt = (target: string, mount: Mount) => standingPlace(replacementPlace(target, mount));
  const all = stores.map(({ mount }) => placeAt(realPath(mount.source), mount));
  await using tasks = session.tasks.keep(mountsForAll(places, all));
  const done: SetAside[] = [];
  for (const { store, mount } of stores) {
    const target = realPath(mount.source);
    // The content of a place inside another one is set aside with it.
    if (places.some((other) => target.startsWith(`${other}/`))) continue;
    const stamp = stampOfAside(id);
    const place = placeAt(target, mount);
    const replacement = {
      target,
      stamp,
      place: { mounts: place.mounts.map((one) => ({ ...one })) },
    };
    journal.append("restore", "set-aside", replacement);
    const params = {
      ...{ target, stamp, keepsCopy: store.isPart === true },
      file: fileOf(store.components[0]),
      keeps: placesInside(target, places),
    };
    const empty = () => tasks.run(treeReplace, params, place, dependencies.signal);
    const { aside } = await empty();
    if (!isNew(mount))
      dependencies.reporter.info(`${store.name}: the previous content is in ${aside}`);
    done.push({ aside, isNew: isNew(mount), replacement });
    const placing = params.keepsCopy ? undefined : placingFor(target, aside);
    const [server] = containers.filter(({ service }) => service === store.service);
    if (placing === undefined || server === undefined) continue;
    if (contractOf(store).needsEmptyMount !== true) continue;
    const first = { container: server.id, mountTarget: mount.target, directory: basename(placing) };
    // The set-aside content is inside the mount point.
    const engine = await host.engine();
    if (await startFirst(engine, { ...first, operationId: id }, dependencies.signal)) await empty();
  }
  return done;
}

async function fill(
  { session, stack, manifest, source }: RestoreRequest,
  { stores, containers: stopped }: Prepared,
): Promise<{ checks: readonly Check[]; replacements: JournalledReplacement[] }> {
  const { containers, tasks, dependencies, journal, host } = session;
  const replacements: JournalledReplacement[] = [];
  const idsOf = (services: readonly string[]) =>
    stopped.filter(({ service }) => services.includes(service)).map(({ id }) => id);
  const now = await present(await host.engine(), stack.project);
  const { checks } = await fillStores({
    ...{ manifest, source, dependencies, workbench: { containers, tasks } },
    mounted: now.flatMap(({ mounts }) => mounts.map((mount) => placeOf(mount.source))),
    stores: stores.map(({ store }) => store),
    target: {
      mountOf: async (wanted) => {
        const found = stores.find(({ store }) => store === wanted);
        if (found === undefined) throw new Error(`${wanted.name} has no place`);
        return found.mount;
      },
      start: async (services) => {
        await startServers(session, stack, services);
      },
      server: async (service, kind) => {
        const [id] = idsOf([service]);
        if (id === undefined) return undefined;
        return await serverOf(await host.engine(), id, kind, session.stack.model);
      },
    },
    journal: async (step, data) => {
      if (step === "replace-tree") replacements.push(restoreSteps["replace-tree"].parse(data));
      journal.append("restore", step as "replace-database", { ...data });
    },
  });
  return { checks, replacements };
}

/** A path without symbolic links, whether or not it exists yet. */
function placeOf(path: string): string {
  const there = standing(path);
  return join(realPath(there), relative(there, path));
}

/** Starts the servers, after the containers whose namespaces they join: they cannot start without those. */
async function startServers(
  session: RestoreSession,
  stack: StackNow,
  services: readonly string[],
): Promise<void> {
  const context = await startContext(session, stack);
  const all = await context.present();
  const found = new Set(all.filter(({ service }) => services.includes(service)));
  // The loop also visits elements that are added to the set meanwhile.
  for (const one of found) {
    for (const other of all) if (other !== one && joins(one, other)) found.add(other);
  }
  const wanted = [...found].map(({ name }): Wanted => ({ name, state: "running", healthy: false }));
  const nothing = async () => undefined;
  await startContainers(wanted, context, { isStrict: true, healthy: nothing, completed: nothing });
}

async function startContext(session: RestoreSession, stack: StackNow): Promise<StartContext> {
  const { containers, host, dependencies } = session;
  const { clock, signal } = dependencies;
  const engine = await host.engine();
  const look = () => present(engine, stack.project);
  return { containers, present: look, dependencies: dependenciesOf(stack.model), clock, signal };
}

/** Starts what ran before. If nothing ran, starts what ran at backup time. Dependencies must be healthy first. */
async function startAll(
  { session, stack, manifest }: RestoreRequest,
  { containers: stopped }: Prepared,
): Promise<Check[]> {
  const wasUp = stopped.some(({ ran }) => ran);
  const wanted = stopped
    .filter(({ service, ran, isNew }) =>
      wasUp && !isNew ? ran : manifest.services[service]?.state === "running",
    )
    .map(({ name, state, ran }): Wanted => {
      const isPaused = ran && state === "paused";
      return { name, state: isPaused ? "paused" : "running", healthy: true };
    });
  return await startChecked(session, stack, wanted);
}

/**
 * Starts containers in dependency order until all that must be well are healthy.
 *
 * @returns a check for each of those; the first failed one ends the start.
 */
export async function startChecked(
  session: RestoreSession,
  stack: StackNow,
  wanted: readonly Wanted[],
  mustBeWell: (container: ContainerState) => boolean = () => true,
): Promise<Check[]> {
  const checks: Check[] = [];
  const waits = waitsOf(session, checks, mustBeWell);
  try {
    await startContainers(wanted, await startContext(session, stack), waits);
  } catch (error) {
    // A failed check already reports an unhealthy container.
    if (checks.every(({ status }) => status === "pass")) throw error;
  }
  return checks;
}

/** Every container must become healthy; a failed one keeps the rest from starting. */
function waitsOf(
  { containers, dependencies, options }: RestoreSession,
  checks: Check[],
  mustBeWell: (container: ContainerState) => boolean,
): Waits {
  const { clock } = dependencies;
  const known = new Map<string, Promise<void>>();
  const judge = async ({ id, service }: ContainerState, signal: AbortSignal) => {
    let last = "not looked at";
    const look = async () => {
      const now = await containers.inspect(id);
      last = now === undefined ? "gone" : `${now.state}, health ${now.health}`;
      if (now?.state !== "running" || now.health === "unhealthy") return false;
      return now.health === "starting" ? undefined : true;
    };
    const timeoutMs = options.healthTimeoutMs;
    const well = await waitFor(look, { clock, timeoutMs, everyMs: 300, signal });
    const status = well === true ? "pass" : "fail";
    checks.push({ name: "health", component: service, status, detail: last });
    if (status === "fail") throw new Error(`${service}: ${last}`);
  };
  const well = (one: ContainerState, signal: AbortSignal): Promise<void> => {
    if (!mustBeWell(one)) return Promise.resolve();
    const judged = known.get(one.id) ?? judge(one, signal);
    known.set(one.id, judged);
    return judged;
  };
  return {
    isStrict: true,
    awaitsStarted: true,
    healthy: (one, _, signal) => well(one, signal),
    well,
    completed: async () => undefined,
  };
}

/** @throws Error for the first check that did not pass. */
export function refuseBad(checks: readonly Check[]): void {
  const bad = checks.find(({ status }) => status !== "pass");
  if (bad === undefined) return;
  throw new Error(`${bad.component ?? bad.name}: ${bad.name}: ${bad.detail}`);
}
