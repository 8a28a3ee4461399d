import { mkdir, readdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DamagedError, RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { existingAncestor, freeBytes } from "../../core/free-space.ts";
import { mountPoints } from "../../core/mount-points.ts";
import { realPath } from "../../core/real-path.ts";
import type { NamedTask, TaskMount } from "../../core/task.ts";
import { notedPath } from "../../core/temp.ts";
import type { Component, Manifest } from "../../model/manifest.ts";
import type { Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { readRequest, type SourceOptions, sourceMounts } from "../../stores/reader.ts";
import { extractComponents } from "../../stores/tree/extract.ts";
import type { Beside } from "../../stores/tree/fill-beside.ts";
import { storesOf } from "../fill/backed-up-store.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { checkComponents } from "../verify/contents.ts";
import { failureOf, verdictOf } from "../verify/levels.ts";
import { checkSealed } from "../verify/sealed-manifest.ts";
import { type ChosenBackup, type Outcome, proveBackup, unproven } from "./prove-backup.ts";
import { chosenStores, partOf } from "./store-mounts.ts";

const partialPrefix = ".sophon-keeper-restore-";
/** What an empty disk may have, and what a killed run leaves there until the next one. */
const ofDisk = /^(lost\+found|\.sophon-keeper-restore-.*)$/;

/** File systems need some space for their own metadata. */
const spareBytes = 16 * 2 ** 20;

/**
 * The directory that `target` names.
 *
 * @param mayHoldFiles - single files are restored, which never replace others
 * @throws RefusedError if `target` is not a path, or the directory is not empty.
 */
export async function targetDirectory(target: string, mayHoldFiles: boolean): Promise<string> {
  if (!target.includes("/") && !target.startsWith(".")) {
    throw new RefusedError(`target is "${target}"`, {
      class: "input",
      hint: `write live, or the path of a new directory, such as ./${target}`,
    });
  }
  const directory = realPath(resolve(target));
  const all = await readdir(directory).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return [];
    throw new RefusedError(`target: ${directory} is not a directory that this user can read`, {
      class: "input",
      cause,
    });
  });
  const names = isDisk(directory) ? all.filter((name) => !ofDisk.test(name)) : all;
  if (names.length === 0 || mayHoldFiles) return directory;
  throw new RefusedError(`target: ${directory} is not empty`, {
    class: "target-not-empty",
    hint: "restore never overwrites files in a target directory: give a new directory",
  });
}

/**
 * Extracts the components of a backup into a separate directory as plain files. Changes no stack, and uses the engine
 * only if file owners cannot be restored without it, and to read what only a server's own tools read. Every component is
 * compared with its record, as `contents` does: if the backup is damaged, the directory is left unchanged. What cannot be
 * compared here (the image of a server is not on this host) is restored, and is an `unverifiable` check.
 */
export async function restoreIntoDirectory(
  directory: string,
  backup: ChosenBackup,
  options: Options,
  dependencies: HostDependencies,
): Promise<Outcome> {
  const proof = await proveBackup(backup, dependencies, "checksum");
  if (proof.manifest === undefined || proof.verdict !== "verified") return unproven(proof.checks);
  const { source } = backup;
  const { manifest } = proof;
  const sealed = await checkSealed(source, manifest, dependencies.signal);
  if (sealed.status !== "pass") return unproven([...proof.checks, sealed]);
  if (options.dryRun) {
    return { result: "planned", plan: planned(directory, manifest, options) };
  }
  const read = { manifest, source };
  const { checks = [], ...told } = await restoreInto(directory, read, options, dependencies);
  return { result: "restored", ...told, checks: [...proof.checks, sealed, ...checks] };
}

/** Whether a directory is a file system of its own. */
function isDisk(directory: string): boolean {
  return mountPoints().includes(directory);
}

async function restoreInto(
  directory: string,
  { manifest, source }: { readonly manifest: Manifest; readonly source: SourceOptions },
  options: Options,
  dependencies: HostDependencies,
): Promise<Pick<Result, "checks"> & { readonly target: string; readonly entries: string[] }> {
  const { reporter, signal } = dependencies;
  const components = chosenComponents(manifest, options);
  const extractions = components.map((component) => {
    const name = plainName(component);
    const isTree = name.endsWith(".tar");
    const archive = readRequest(source, component);
    const tree = isCompared(component) ? component : undefined;
    return { archive, name: isTree ? name.slice(0, -".tar".length) : name, isTree, tree };
  });
  await requireRoom(directory, components);
  const others = components.filter((component) => !isCompared(component));
  const read = await reporter.group("Read the contents", () =>
    checkComponents(others, source, manifest, "restore", dependencies),
  );
  if (verdictOf(read) === "damaged") throw new DamagedError(failureOf(read));
  const doubts = read.filter(({ status }) => status === "unverifiable");
  for (const { component, detail } of doubts) {
    reporter.warning(
      `${component}: restored without a comparison with the backup's record: ${detail}`,
    );
  }
  const trees = await reporter.group(`Restore into ${directory}`, () =>
    intoPlace(
      extractComponents,
      { into: directory, extractions },
      sourceMounts(source, components),
      dependencies,
    ),
  );
  signal.throwIfAborted();
  const entries = extractions.map(({ name }) => name);
  return { target: directory, entries, checks: [...read, ...trees] };
}

/** Whether the component is a tree that is compared while it is unpacked. */
function isCompared({ store }: Component): boolean {
  return store === "data" || store === "volume";
}

/** The plan of a dry run. */
function planned(directory: string, manifest: Manifest, options: Options) {
  const entries = chosenComponents(manifest, options).map((component) => ({
    component: component.name,
    to: plainName(component).replace(/\.tar$/, "/"),
    bytes: component.plainBytes,
  }));
  return { target: directory, backup: manifest.id, entries };
}

function chosenComponents(manifest: Manifest, { only }: Options): readonly Component[] {
  if (only.length === 0) return manifest.components;
  const stores = storesOf(manifest);
  const chosen = only.flatMap(
    (word) => partOf(stores, word) ?? chosenStores(stores, [word]).flatMap((one) => one.components),
  );
  return [...new Set(chosen)];
}

/** The file name without the suffixes of encryption and compression. */
function plainName({ file, encryption, compression, base }: Component): string {
  const open = encryption === "age" ? file.replace(/\.age$/, "") : file;
  const unpacked = compression === "none" ? open : open.replace(/\.(zst|gz)$/, "");
  return base === undefined ? unpacked : unpacked.replace(/\.rdiff$/, "");
}

/**
 * Fills a directory by a task. Only root can restore file owners: other users need a helper container, and so the engine.
 *
 * @param sources - what the task reads
 */
export async function intoPlace<P extends Beside, R>(
  task: NamedTask<P, R>,
  params: Omit<P, "partial">,
  sources: readonly TaskMount[],
  dependencies: HostDependencies,
): Promise<R> {
  const { host, reporter, signal } = dependencies;
  // Nothing can be renamed into a disk from beside it.
  const around = isDisk(params.into) ? params.into : dirname(params.into);
  await mkdir(around, { recursive: true });
  await using partial = await notedPath(partialPrefix, around);
  const whole = { ...params, partial: partial.path } as P;
  if (process.geteuid?.() === 0) return await task.run(whole, { reporter, signal });
  const { tasks } = await host.workbench("restore", dependencies);
  const mounts = [{ path: around, readOnly: false }, ...sources];
  return await tasks.run(task, whole, { mounts }, signal);
}

/** @throws RefusedError (class `no-space`) if these bytes do not fit there. */
export async function requireRoom(
  directory: string,
  components: readonly Pick<Component, "plainBytes">[],
): Promise<void> {
  const needed = components.reduce((sum, { plainBytes }) => sum + plainBytes, spareBytes);
  const free = await freeBytes(await existingAncestor(directory));
  if (free >= needed) return;
  throw new RefusedError(
    `target: ${directory} needs about ${formatBytes(needed)}, but only ${formatBytes(free)} are free`,
    { class: "no-space", hint: "free space, or give a directory on another disk" },
  );
}
