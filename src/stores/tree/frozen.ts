import { dirname, join } from "node:path";
import { BackupFailedError, describeError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { realPath } from "../../core/real-path.ts";
import { type TaskPlace, taskMount } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import type { VolumeStore } from "../../model/stack.ts";
import type { BackupContext } from "../store.ts";
import { treeBackup, treeBackupStill } from "./backup.ts";
import { copyFrozen, estimateFrozen, preCopyLive, removeFrozenCopy } from "./frozen-copy.ts";
import type { TreeOptions } from "./params.ts";
import { freeSpace } from "./size.ts";

/** Free space that stays on the disk beside the copy. */
const spareBytes = 64 * 2 ** 20;

/**
 * Archives a place as it was at one moment although services write to it. If nothing is written while it is read, the
 * archive is exact and nobody notices. Otherwise a copy is made next to it while the services run, and completed while
 * they are paused.
 *
 * Where that is impossible (too little space, another file system mounted inside, a writer outside the stack, an engine
 * that cannot pause), it is archived as it is, and the component says why.
 *
 * @throws BackupFailedError when a writer cannot be unpaused.
 */
export async function backupFrozen(
  store: VolumeStore,
  tree: TreeOptions,
  place: TaskPlace,
  context: BackupContext,
): Promise<Component> {
  const { tasks, sink, signal } = context;
  const params = { tree, sink };
  const live = () => tasks.run(treeBackup, params, place, signal);
  const writers = await runningWriters(store, context);
  if (writers.length === 0) return await live();
  if (store.engine === undefined) {
    const { component } = await tasks.run(treeBackupStill, params, place, signal);
    if (component !== null) return component;
  }
  try {
    return await fromCopy(store, tree, place, { writers, context });
  } catch (error) {
    if (signal.aborted || error instanceof BackupFailedError) throw error;
    const [why = ""] = describeError(error).split("\n");
    return withNotes(await live(), [tornNote(store, why)]);
  }
}

/** Adds what a person must know of a component although it is complete. */
export function withNotes(component: Component, notes: readonly string[]): Component {
  const { details, warnings } = component;
  const before = Array.isArray(details.notable) ? details.notable.map(String) : [];
  return {
    ...component,
    details: { ...details, notable: [...before, ...notes] },
    warnings: [...notes, ...warnings],
  };
}

/** What is said of a database server that has no store of its own. `how` tells how its files were copied. */
export function engineNote({ engine = "", services }: VolumeStore, how: string): string {
  const who = services.length === 0 ? "" : ` (${services.join(", ")})`;
  return `${engine}${who} has no store of its own: ${how}. A restore needs the same version of ${engine}`;
}

/** What is said of a place that was copied while it was written to. */
export function tornNote(store: VolumeStore, why: string): string {
  const { engine, services, name } = store;
  const risk = `copied live (${why}), so files that belong together may not fit together; volume-consistency: ${name}=stop avoids that`;
  return engine === undefined
    ? `${services.join(", ")} may write meanwhile: ${risk}`
    : engineNote(store, risk);
}

/** The containers that run now: in a stopped backup, or with paused services, nobody writes. */
async function runningWriters(
  { writers = [] }: VolumeStore,
  { containers }: BackupContext,
): Promise<string[]> {
  const running: string[] = [];
  for (const id of writers) {
    const state = (await containers.inspect(id))?.state;
    if (state === "running" || state === "restarting") running.push(id);
  }
  return running;
}

interface Freezing {
  readonly writers: readonly string[];
  readonly context: BackupContext;
}

async function fromCopy(
  store: VolumeStore,
  tree: TreeOptions,
  place: TaskPlace,
  { writers, context }: Freezing,
): Promise<Component> {
  const { tasks, sink, signal, reporter, clock } = context;
  const from = store.mount.source;
  const parameters = { from, skip: tree.exclude };
  const bytes = await tasks.run(estimateFrozen, parameters, place, signal);
  const parent = await roomFor(bytes, realPath(from), context);
  const copy = join(parent, `.sophon-keeper-copy-${store.name}`);
  const copying: TaskPlace = {
    mounts: [taskMount(store.mount, false), { path: parent, readOnly: false }],
  };
  await context.journal("broker-copy", { copy, mount: { ...store.mount } });
  const remove = () => tasks.run(removeFrozenCopy, { copy }, copying);
  context.undo.add(`remove ${copy}`, remove);
  try {
    await tasks.run(preCopyLive, { ...parameters, copy }, copying, signal);
    const begun = clock.monotonicMs();
    await paused(writers, context, () =>
      tasks.run(copyFrozen, { ...parameters, copy }, copying, signal),
    );
    const seconds = ((clock.monotonicMs() - begun) / 1000).toFixed(1);
    const how = `while ${store.services.join(", ")} was paused for ${seconds} s`;
    reporter.info(`${store.name}: completed ${how}`);
    const copied = { ...tree, path: join(copy, "tree") };
    const mounts = [...copying.mounts, { path: sink.directory, readOnly: false }];
    const component = await tasks.run(treeBackup, { tree: copied, sink }, { mounts }, signal);
    return asIfOf(store, { tree, copied }, component, how);
  } finally {
    await remove();
  }
}

/** The component of the copy, as one of the store itself. */
function asIfOf(
  store: VolumeStore,
  { tree, copied }: { readonly tree: TreeOptions; readonly copied: TreeOptions },
  component: Component,
  how: string,
): Component {
  const own = {
    ...component,
    source: tree.file === undefined ? tree.path : join(tree.path, tree.file),
    method: `${component.method}, exact while its services were paused`,
    recovery: component.recovery.replaceAll(copied.path, tree.path),
  };
  return store.engine === undefined
    ? own
    : withNotes(own, [engineNote(store, `its files were copied ${how}`)]);
}

/** A directory with room for the copy: next to the place, where blocks can be shared, otherwise in the repository. */
async function roomFor(bytes: number, from: string, context: BackupContext): Promise<string> {
  const { tasks, sink, signal } = context;
  const beside = dirname(from);
  let most = 0;
  for (const path of beside === "/" ? [sink.directory] : [beside, sink.directory]) {
    const mounts = [{ path, readOnly: true }];
    const { freeBytes } = await tasks.run(freeSpace, { path }, { mounts }, signal);
    if (freeBytes > bytes + spareBytes) return path;
    most = Math.max(most, freeBytes);
  }
  throw new Error(`a copy needs ${formatBytes(bytes)}, but only ${formatBytes(most)} are free`);
}

/** Calls `work` while the containers are paused, and always unpauses them. One that has ended meanwhile is no writer. */
async function paused(
  writers: readonly string[],
  context: BackupContext,
  work: () => Promise<unknown>,
): Promise<void> {
  const { containers, signal } = context;
  const unpause = async () => {
    const results = await Promise.allSettled(writers.map((id) => containers.unpause(id)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };
  await context.journal("pause", { containers: [...writers] });
  context.undo.add("unpause the services", unpause);
  const pause = async (id: string) => {
    try {
      await containers.pause(id, signal);
    } catch (cause) {
      signal.throwIfAborted();
      const now = await containers.inspect(id);
      if (now?.state !== "running" && now?.state !== "restarting") return;
      throw new Error(`${now.service} cannot be paused: ${describeError(cause)}`, { cause });
    }
  };
  try {
    const results = await Promise.allSettled(writers.map(pause));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    await work();
  } finally {
    await unpause().catch((cause: unknown) => {
      throw new BackupFailedError(`the services cannot be unpaused: ${describeError(cause)}`, {
        cause,
        hint: "run `docker compose unpause`, or recover",
      });
    });
  }
}
