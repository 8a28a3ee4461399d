import { waitFor } from "../../core/wait.ts";
import type { Check } from "../../model/result.ts";
import type { ContainerState, Mount } from "../../model/stack.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { RestoreContext } from "../../stores/store.ts";
import { treeDiscard, treeReplace } from "../../stores/tree/replace.ts";
import { replacementPlace } from "../../stores/tree/restore.ts";
import { startOrder } from "../restore-point/writers.ts";
import { fillStores } from "../scratch/restore.ts";
import type { BackedUpStore } from "../scratch/stores.ts";
import type { Session } from "../session.ts";
import {
  type JournalledReplacement,
  type restoreJournal,
  restoreSteps,
  type StoppedContainer,
} from "./journal.ts";
import { placeOf } from "./undo.ts";

/** One restore of a live stack. */
export interface LiveRestore {
  readonly session: Session<typeof restoreJournal>;
  readonly manifest: RestoreContext["manifest"];
  readonly source: SourceOptions;
  readonly stores: readonly { readonly store: BackedUpStore; readonly mount: Mount }[];
}

/** What a restore did. */
export interface LiveRestored {
  readonly checks: readonly Check[];
  /** Where the content before is now. */
  readonly setAside: readonly string[];
  readonly downtimeSeconds: number;
}

const stopTimeoutSeconds = 120;

/**
 * Stops the stack, sets its content aside, restores every store, and starts it again. Each step is journalled before it
 * is done; nothing is removed.
 *
 * @throws Error when a store is not restored as it was backed up, or the stack does not come up.
 */
export async function restoreLive(request: LiveRestore): Promise<LiveRestored> {
  const { session } = request;
  const { reporter, clock } = session.dependencies;
  const begun = clock.monotonicMs();
  const containers = await reporter.group("Stop the stack", () => stopAll(session));
  const setAside = await reporter.group("Set the content aside", () => emptyPlaces(request));
  const filled = await fill(request, containers);
  refuseBad(filled.checks);
  const health = await reporter.group("Start the stack", () => startAll(request, containers));
  refuseBad(health);
  const downtimeSeconds = (clock.monotonicMs() - begun) / 1000;
  for (const { id, restartPolicy } of containers) {
    await session.containers.setRestartPolicy(id, restartPolicy);
  }
  for (const { target, stamp, place } of filled.replacements) {
    // What was there was emptied just before.
    await session.tasks.run(treeDiscard, { target, stamp }, placeOf(place));
  }
  return { checks: [...filled.checks, ...health], setAside, downtimeSeconds };
}

async function stopAll(session: LiveRestore["session"]): Promise<StoppedContainer[]> {
  const { stack, journal, containers } = session;
  const all = startOrder(stack, stack.containers).map(described);
  journal.append("restore", "stop", { containers: all });
  // An engine that is restarted now must not revive what is being replaced.
  for (const { id } of all) await containers.setRestartPolicy(id, "no");
  for (const { id } of all) await containers.unpause(id);
  for (const { id } of all.toReversed()) await containers.stop(id, stopTimeoutSeconds);
  return all;
}

function described({
  id,
  service,
  restartPolicy,
  state,
  health,
}: ContainerState): StoppedContainer {
  const ran = state === "running" || state === "paused" || state === "restarting";
  return { id, service, restartPolicy, ran, healthy: health === "healthy" };
}

async function emptyPlaces({ session, stores }: LiveRestore): Promise<string[]> {
  const { journal, tasks, dependencies, id } = session;
  const setAside: string[] = [];
  for (const { store, mount } of stores) {
    const target = mount.source;
    const stamp = `before-${id.slice(-21)}`;
    const place = replacementPlace(target, mount);
    const mounts = place.mounts.map((one) => ({ ...one }));
    journal.append("restore", "set-aside", { target, stamp, place: { mounts } });
    const { aside } = await tasks.run(treeReplace, { target, stamp }, place, dependencies.signal);
    dependencies.reporter.info(`${store.name}: what was there is in ${aside}`);
    setAside.push(aside);
  }
  return setAside;
}

async function fill(
  { session, manifest, source, stores }: LiveRestore,
  stopped: readonly StoppedContainer[],
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
        return id === undefined ? undefined : await host.serverOf(id, kind, session.stack.model);
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
  { session, manifest }: LiveRestore,
  stopped: readonly StoppedContainer[],
): Promise<Check[]> {
  const { containers, dependencies, options } = session;
  const { clock, signal } = dependencies;
  const wasUp = stopped.some(({ ran }) => ran);
  const wanted = stopped.filter(({ service, ran }) =>
    wasUp ? ran : manifest.services[service]?.state === "running",
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
