import { lstat, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { parse } from "yaml";
import { packTar } from "../archive/pack.ts";
import { systemClock } from "../core/clock.ts";
import { BackupFailedError, describeError } from "../core/errors.ts";
import { run } from "../core/exec.ts";
import type { NamedTask } from "../core/task.ts";
import type { Component } from "../model/manifest.ts";
import type { ComposeModel, Stack } from "../model/stack.ts";
import { writeComponent } from "./sink.ts";
import type { BackupContext, SinkOptions } from "./store.ts";

/** The member of the archive that holds the resolved model, and what Compose was called with. */
export const stackIndex = "stack.json";
/** The directory of the archive below which each file lies at its own absolute path. */
export const stackFilesRoot = "files";

interface StackFilesParams {
  readonly sink: SinkOptions;
  readonly index: string;
  readonly paths: readonly string[];
  readonly details: Component["details"];
}

/**
 * Copies what a restore on a bare host needs to bring the stack up: the resolved model, and every file
 * that Compose read or that a service mounts read-only.
 *
 * @throws BackupFailedError when one of them cannot be read.
 */
export async function backupStackFiles(stack: Stack, context: BackupContext): Promise<Component> {
  const paths = await stackFiles(stack);
  const { project, directory, composeFiles, envFiles, profiles } = stack;
  const call = { project, directory, composeFiles, envFiles, profiles };
  const params: StackFilesParams = {
    sink: context.sink,
    index: JSON.stringify({ ...call, model: stack.model }, null, 2),
    paths,
    details: JSON.parse(JSON.stringify({ ...call, files: paths })) as Component["details"],
  };
  const mounts = [
    ...paths.map((path) => ({ path, readOnly: true })),
    { path: context.sink.directory, readOnly: false },
  ];
  return await context.tasks.run(packStackFiles, params, { mounts }, context.signal);
}

/** Copies the files of a stack into the sink, as one archive. */
export const packStackFiles: NamedTask<StackFilesParams, Component> = {
  name: "stack.pack",
  run: async ({ sink, index, paths, details }, { signal }) => {
    const staging = join(sink.directory, ".stack");
    try {
      await stage(staging, index, paths);
      const tar = packTar({ directory: staging, signal });
      return await writeComponent(sink, {
        name: "stack",
        store: "stack",
        method: "resolved compose model and the files it was made from",
        extension: "tar",
        compress: true,
        source: tar.source,
        done: tar.done,
        signal,
        clock: systemClock,
        describe: async () => ({
          source: String(details.directory),
          counts: { files: (await tar.done).summary.files },
          details,
          warnings: [],
          recovery: `unpack with tar -xp; ${stackFilesRoot}/ holds each file at its own path, ${stackIndex} the resolved model`,
        }),
      });
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  },
};

async function stage(staging: string, index: string, paths: readonly string[]): Promise<void> {
  const root = join(staging, stackFilesRoot);
  await mkdir(root, { recursive: true, mode: 0o700 });
  await writeFile(join(staging, stackIndex), index, { mode: 0o600 });
  for (const path of paths) {
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true });
    try {
      await run("cp", ["--archive", "--dereference", "--no-target-directory", "--", path, target]);
    } catch (cause) {
      throw new BackupFailedError(
        `${path} cannot be read, and a restore on a bare host needs it: ${describeError(cause)}`,
        { cause, hint: "give this user the right to read it, or run as root" },
      );
    }
  }
}

/** Every file that the stack is made from; those that Compose did without are left out. */
export async function stackFiles(stack: Stack): Promise<string[]> {
  const found = new Set<string>();
  for (const file of stack.composeFiles) await addComposeFile(file, found);
  const others = [
    ...stack.envFiles,
    join(stack.directory, ".env"),
    ...modelFiles(stack.model),
    ...readOnlyBinds(stack),
  ];
  for (const path of others) if (await isFileOrDirectory(path)) found.add(path);
  return [...found].toSorted((a, b) => (a < b ? -1 : 1));
}

/** A compose file with all that it includes, extends and reads variables from. */
async function addComposeFile(path: string, found: Set<string>): Promise<void> {
  if (found.has(path) || !(await isFileOrDirectory(path))) return;
  found.add(path);
  let file: { include?: unknown; services?: Record<string, Record<string, unknown> | null> } | null;
  try {
    file = parse(await readFile(path, "utf8"), { merge: true }) as typeof file;
  } catch {
    // Compose has read it, so this is a form that only Compose knows: the file itself is kept.
    return;
  }
  const base = dirname(path);
  const compose: string[] = [];
  const plain: string[] = [];
  for (const item of listOf(file?.include)) {
    if (typeof item === "string") compose.push(item);
    else {
      compose.push(...strings(field(item, "path")));
      plain.push(...strings(field(item, "env_file")));
    }
  }
  for (const service of Object.values(file?.services ?? {})) {
    compose.push(...strings(field(service?.extends, "file")));
    for (const item of listOf(service?.env_file)) {
      plain.push(...(typeof item === "string" ? [item] : strings(field(item, "path"))));
    }
  }
  for (const name of compose.filter(isLocal)) await addComposeFile(resolve(base, name), found);
  for (const name of plain.filter(isLocal)) {
    const target = resolve(base, name);
    if (await isFileOrDirectory(target)) found.add(target);
  }
}

function modelFiles(model: ComposeModel): string[] {
  return [...Object.values(model.secrets ?? {}), ...Object.values(model.configs ?? {})].flatMap(
    (entry) => strings(entry.file),
  );
}

/** Configuration that services mount read-only. What is written to is a store of its own. */
function readOnlyBinds(stack: Stack): string[] {
  const written = stack.stores.map(({ mount }) => mount.source);
  return Object.values(stack.model.services)
    .flatMap(({ volumes }) => volumes ?? [])
    .filter(({ type, read_only }) => type === "bind" && read_only === true)
    .flatMap(({ source }) => strings(source))
    .filter(
      (path) =>
        isAbsolute(path) && !isSystem(path) && !written.some((store) => isWithin(path, store)),
    );
}

/** What belongs to the host and not to the stack, such as `/proc`, or the whole of `/` for a monitoring agent. */
function isSystem(path: string): boolean {
  const tops = [
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/proc",
    "/run",
    "/sys",
    "/usr",
    "/var",
  ];
  const below = ["/boot/", "/dev/", "/proc/", "/run/", "/sys/", "/var/lib/docker", "/var/run"];
  return tops.includes(path) || below.some((start) => path.startsWith(start));
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`) || directory.startsWith(`${path}/`);
}

async function isFileOrDirectory(path: string): Promise<boolean> {
  try {
    const info = await lstat(path);
    return info.isFile() || info.isDirectory() || info.isSymbolicLink();
  } catch (error) {
    // What this user may not see may well be there: the copy will tell.
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

function isLocal(name: string): boolean {
  return !/^[a-z+]+:\/\/|^git@|\$\{/.test(name);
}

function listOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function strings(value: unknown): string[] {
  return listOf(value).filter((item): item is string => typeof item === "string");
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
