import { basename } from "node:path";
import { describeError } from "../../core/errors.ts";
import { waitFor } from "../../core/wait.ts";
import type { Check } from "../../model/result.ts";
import { startFirst } from "../../stack/first-start.ts";
import { serverOf } from "../../stack/scratch.ts";
import { placingFor, treeReplace } from "../../stores/tree/replace.ts";
import { replacementPlace } from "../../stores/tree/restore.ts";
import { fillStores } from "../fill/fill-stores.ts";
import { readJournal } from "../session/journal.ts";
import { type JournalledReplacement, restoreJournal, restoreSteps } from "./journal.ts";
import { judgeLogs } from "./log-check.ts";
import { type Prepared, type PrepareRequest, prepare } from "./prepare.ts";
import { compareHeads } from "./schema-heads.ts";
import { standingPlace } from "./stack-files.ts";
import { finishRestore } from "./undo.ts";

/** What a restore did. */
export interface LiveRestored {
  readonly checks: readonly Check[];
  /** Where the content before is now. */
  readonly setAside: readonly string[];
  /** From the first container that was stopped (on a bare host, from the first file) until the last one was well. */
  readonly downtimeSeconds: number;
}

/**
 * Has every container that the backup needs, sets the stack's content aside, restores every store, starts the stack and
 * judges it. Each step is journalled before it is done; nothing is removed.
 *
 * @throws Error when a store is not restored as it was backed up, or the stack does not come up; RefusedError for what
 *   could not be undone.
 */
export async function restoreLive(request: PrepareRequest): Promise<LiveRestored> {
  const { session } = request;
  const { reporter, clock } = session.dependencies;
  const begun = clock.monotonicMs();
  const prepared = await prepare(request);
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
  for (const { id, restartPolicy } of prepared.containers) {
    await session.containers.setRestartPolicy(id, restartPolicy);
  }
  const emptied = setAside.filter(({ isNew }) => isNew).map(({ replacement }) => replacement);
  session.journal.append("restore", "restored", { discard: [...filled.replacements, ...emptied] });
  await finish(request);
  return {
    checks,
    setAside: setAside.filter(({ isNew }) => !isNew).map(({ aside }) => aside),
    downtimeSeconds,
  };
}

/** What level 3 of a verification looks at, too, once the application runs on what was restored. */
async function judge(
  { session, files }: PrepareRequest,
  { stores, containers }: Prepared,
): Promise<Check[]> {
  const logs = await judgeLogs(session, containers);
  refuseBad(logs);
  const isOwnImage = files !== undefined && !session.options.keepImages;
  const heads = await compareHeads(session, stores, containers, isOwnImage);
  refuseBad(heads);
  return [...logs, ...heads];
}

/** The stack is as it should be; what cannot be removed is told. */
async function finish({ session }: PrepareRequest): Promise<void> {
  const { repository, journal, host, id, tasks, dependencies } = session;
  const { entries } = readJournal(repository.operations, journal.id, restoreJournal);
  try {
    await finishRestore(entries, { tasks, engine: await host.engine(), id });
  } catch (error) {
    dependencies.reporter.warning(
      `what the restore no longer needs could not be removed: ${describeError(error)}`,
    );
  }
}

interface SetAside {
  readonly aside: string;
  readonly isNew: boolean;
  readonly replacement: JournalledReplacement;
}

async function emptyPlaces(
  { session }: PrepareRequest,
  { stores, containers, isNew }: Prepared,
): Promise<SetAside[]> {
  const { journal, tasks, dependencies, host, id } = session;
  const done: SetAside[] = [];
  for (const { store, mount } of stores) {
    const target = mount.source;
    const stamp = `before-${id.slice(-21)}`;
    const place = standingPlace(replacementPlace(target, mount));
    const replacement = {
      target,
      stamp,
      place: { mounts: place.mounts.map((one) => ({ ...one })) },
    };
    journal.append("restore", "set-aside", replacement);
    const params = { target, stamp, keepsCopy: store.isPart === true };
    const empty = () => tasks.run(treeReplace, params, place, dependencies.signal);
    const { aside } = await empty();
    if (!isNew(mount)) dependencies.reporter.info(`${store.name}: what was there is in ${aside}`);
    done.push({ aside, isNew: isNew(mount), replacement });
    const placing = params.keepsCopy ? undefined : placingFor(target, aside);
    const [server] = containers.filter(({ service }) => service === store.service);
    if (store.kind !== "postgres" || placing === undefined || server === undefined) continue;
    const first = { container: server.id, mountTarget: mount.target, directory: basename(placing) };
    // A mount point is never empty now; PostgreSQL begins in nothing else.
    const engine = await host.engine();
    if (await startFirst(engine, { ...first, operationId: id }, dependencies.signal)) await empty();
  }
  return done;
}

async function fill(
  { session, manifest, source }: PrepareRequest,
  { stores, containers: stopped }: Prepared,
): Promise<{ checks: readonly Check[]; replacements: JournalledReplacement[] }> {
  const { containers, tasks, dependencies, journal, host } = session;
  const replacements: JournalledReplacement[] = [];
  const idsOf = (services: readonly string[]) =>
    stopped.filter(({ service }) => services.includes(service)).map(({ id }) => id);
  const { checks } = await fillStores({
    ...{ manifest, source, dependencies, workbench: { containers, tasks } },
    stores: stores.map(({ store }) => store),
    target: {
      mountOf: async (wanted) => {
        const found = stores.find(({ store }) => store === wanted);
        if (found === undefined) throw new Error(`${wanted.name} has no place`);
        return found.mount;
      },
      start: async (services) => {
        for (const id of idsOf(services)) await containers.start(id);
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

/** Starts what ran before, or what ran when the backup was made where nothing did, each once its dependencies are well. */
async function startAll(
  { session, manifest }: PrepareRequest,
  { containers: stopped }: Prepared,
): Promise<Check[]> {
  const { containers, dependencies, options } = session;
  const { clock, signal } = dependencies;
  const wasUp = stopped.some(({ ran }) => ran);
  const wanted = stopped.filter(({ service, ran, isNew }) =>
    wasUp && !isNew ? ran : manifest.services[service]?.state === "running",
  );
  const checks: Check[] = [];
  for (const { id, service } of wanted) {
    await containers.start(id);
    let last = "not looked at";
    const look = async () => {
      const now = await containers.inspect(id);
      last = now === undefined ? "gone" : `${now.state}, health ${now.health}`;
      if (now?.state !== "running") return false;
      if (now.health === "unhealthy") return false;
      return now.health === "starting" ? undefined : true;
    };
    const timeoutMs = options.healthTimeoutMs;
    const well = await waitFor(look, { clock, timeoutMs, everyMs: 300, signal });
    const status = well === true ? "pass" : "fail";
    checks.push({ name: "health", component: service, status, detail: last });
    if (status === "fail") break;
  }
  return checks;
}

function refuseBad(checks: readonly Check[]): void {
  const bad = checks.find(({ status }) => status !== "pass");
  if (bad === undefined) return;
  throw new Error(`${bad.component ?? bad.name}: ${bad.name}: ${bad.detail}`);
}
