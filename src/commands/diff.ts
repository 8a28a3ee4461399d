import { randomBytes } from "node:crypto";
import { RefusedError } from "../core/errors.ts";
import type { Count, Manifest } from "../model/manifest.ts";
import type { Result } from "../model/result.ts";
import type { DiscoveredStore } from "../model/stack.ts";
import {
  type CountDifference,
  countDifferences,
  type FileDifference,
  type FileFacts,
  fileDifferences,
} from "../operations/browse/compare-states.ts";
import { isTree } from "../operations/browse/entries.ts";
import { readTrusted } from "../operations/browse/trusted-manifest.ts";
import { storesOf } from "../operations/fill/backed-up-store.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { type FoundBackup, findBackup, listBackups } from "../operations/verify/find-backup.ts";
import type { Options } from "../options/parse.ts";
import { membersOf, type SourceOptions } from "../stores/reader.ts";
import type { Counts } from "../stores/store.ts";
import { storeOf } from "../stores/stores.ts";
import { databasesOf } from "../stores/tree/check.ts";
import { liveEntries } from "../stores/tree/tree-store.ts";
import { isTreeCount } from "../stores/tree/walk.ts";

/** What is compared: the files of each archive, and the numbers of each store. */
interface State {
  readonly id: string;
  readonly trees: ReadonlyMap<string, ReadonlyMap<string, FileFacts>>;
  readonly counts: ReadonlyMap<string, Counts>;
}

/**
 * Compares a backup with the one before it, another one, or the running stack: which files were added, changed or removed,
 * and how the numbers of rows, points, keys and messages differ. Changes nothing.
 *
 * @throws RefusedError if one of the two does not exist; DamagedError, UnverifiableError if one cannot be read.
 */
export async function diff(options: Options, dependencies: HostDependencies): Promise<Result> {
  const { clock, reporter } = dependencies;
  const begun = clock.monotonicMs();
  const found = await findBackup(options, dependencies);
  const isLive = options.against === "live";
  const one = await backedUpState(found, options, dependencies);
  const other = isLive
    ? await reporter.group("Look at the running stack", () => liveState(options, dependencies))
    : await backedUpState(await otherBackup(found, options, dependencies), options, dependencies);
  // Changes are told in the order of time: what is newer stands second.
  const [from, to] = isLive || other.id > one.id ? [one, other] : [other, one];
  const files: FileDifference[] = [];
  const missing = new Map<string, FileFacts>();
  for (const name of new Set([...from.trees.keys(), ...to.trees.keys()])) {
    const differences = fileDifferences(
      from.trees.get(name) ?? missing,
      to.trees.get(name) ?? missing,
    );
    for (const { path, ...rest } of differences) {
      files.push({ path: path === "." ? name : `${name}/${path}`, ...rest });
    }
  }
  const counts: CountDifference[] = [
    ...new Set([...from.counts.keys(), ...to.counts.keys()]),
  ].flatMap((name) =>
    countDifferences(name, from.counts.get(name) ?? {}, to.counts.get(name) ?? {}),
  );
  const seconds = (clock.monotonicMs() - begun) / 1000;
  const compared = { older: from.id, newer: to.id };
  return {
    result: "listed",
    seconds,
    backupId: found.id,
    compared,
    differences: { files, counts },
  };
}

async function otherBackup(
  found: FoundBackup,
  options: Options,
  dependencies: HostDependencies,
): Promise<FoundBackup> {
  if (options.against !== "previous") {
    return await findBackup({ ...options, backup: options.against }, dependencies);
  }
  const all = found.repository === undefined ? [] : await listBackups(found.repository);
  const before = all[all.findIndex(({ id }) => id === found.id) + 1];
  if (before !== undefined && before.id !== found.id) {
    return { id: before.id, directory: before.path, repository: found.repository };
  }
  throw new RefusedError(`against: there is no backup before ${found.id}`, {
    class: "no-backup",
    hint: "compare it with the running stack (--against live), or with another backup (its id or path)",
  });
}

async function backedUpState(
  { id, directory }: FoundBackup,
  { identity, passphrase }: Options,
  { reporter, signal }: HostDependencies,
): Promise<State> {
  const source = { directory, identities: identity, passphrase };
  const manifest = await readTrusted(source, signal);
  const trees = await reporter.group(`Read the lists of ${id}`, () =>
    backedUpTrees(manifest, source, signal),
  );
  const counts = storesOf(manifest).map(({ name, components }) => {
    const all = Object.assign({}, ...components.map((one) => one.counts)) as Counts;
    return [name, contentCounts(all)] as const;
  });
  return { id, trees, counts: new Map(counts) };
}

async function backedUpTrees(manifest: Manifest, source: SourceOptions, signal: AbortSignal) {
  const trees = new Map<string, Map<string, FileFacts>>();
  for (const component of manifest.components) {
    if (!isTree(component) || !isStoreOfFiles(component.store)) continue;
    // Each is a new copy in every backup: their rows are compared.
    const databases = new Set(databasesOf(component));
    const files = new Map<string, FileFacts>();
    for await (const { name, offset: _, recordBytes: __, ...facts } of membersOf(
      source,
      component,
      signal,
    )) {
      if (!databases.has(name)) files.set(name, facts);
    }
    trees.set(component.name, files);
  }
  return trees;
}

async function liveState(options: Options, dependencies: HostDependencies): Promise<State> {
  const { host, reporter, clock, signal } = dependencies;
  const stack = await host.discover(options, dependencies);
  const id = `diff-${randomBytes(4).toString("hex")}`;
  const { containers, tasks } = await host.workbench(id, dependencies);
  const context = { containers, tasks, reporter, clock, signal };
  const trees = new Map<string, Map<string, FileFacts>>();
  const counts = new Map<string, Counts>();
  for (const store of stack.stores) {
    const measured = await storeOf(store).measure(store, context);
    counts.set(store.name, contentCounts(measured));
    if (!isTreeStore(store)) continue;
    const entries = await liveEntries(store, tasks, signal);
    trees.set(store.name, new Map(entries.map(({ name, ...facts }) => [name, facts])));
  }
  return { id: "live", trees, counts };
}

type TreeStore = Extract<DiscoveredStore, { kind: "data" | "volume" }>;

function isTreeStore(store: DiscoveredStore): store is TreeStore {
  return isStoreOfFiles(store.kind);
}

function isStoreOfFiles(kind: string): boolean {
  return kind === "data" || kind === "volume";
}

/** Without the numbers of files, which are listed one by one. */
function contentCounts(counts: Counts): Record<string, Count> {
  return Object.fromEntries(
    Object.entries(counts).filter(([name]) => !isTreeCount(name) && name !== "vault.key"),
  );
}
