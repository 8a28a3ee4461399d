import { randomBytes } from "node:crypto";
import { chown, lstat, mkdir, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { packTar } from "../../archive/tar/pack-tar.ts";
import { systemClock } from "../../core/clock.ts";
import { BackupFailedError } from "../../core/errors.ts";
import { run } from "../../core/exec.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import type { Stack } from "../../model/stack.ts";
import { backupFailed, writeComponent } from "../sink.ts";
import type { SinkOptions } from "../store.ts";

/** The name and the files of the project, which Compose needs again. */
export type StackIndex = Pick<
  Stack,
  "project" | "directory" | "composeFiles" | "envFiles" | "profiles"
> & {
  /** The files and directories that are in the archive, below {@link FILES}. */
  readonly roots: readonly string[];
  /** The exit code of each service that had failed: a container of it had ended by itself. Absent: none, or not known. */
  readonly failed?: Readonly<Record<string, number>>;
};

/** The parameters of the task. */
interface StackPackParams {
  readonly index: StackIndex;
  /** The resolved compose model. Contains secrets. */
  readonly model: unknown;
  readonly skipped: readonly string[];
  readonly sink: SinkOptions;
}

/** Members of the archive. */
export const MODEL_FILE = "model.json";
export const INDEX_FILE = "stack.json";
/** Files are stored under their absolute paths below this directory. */
export const FILES = "files";

/**
 * Archives the compose model and the files of a stack, each under its absolute path.
 *
 * @throws BackupFailedError (class `stack-file`) that names a missing or unreadable file.
 */
export const stackPack: NamedTask<StackPackParams, Component> = {
  name: "stack.pack",
  run: async (params, context) => {
    const { sink } = params;
    const stage = join(sink.directory, `.stack-${randomBytes(6).toString("hex")}`);
    try {
      await mkdir(join(stage, FILES), { recursive: true, mode: 0o700 });
      const owner = await stat(sink.directory);
      if (process.geteuid?.() === 0) await chown(stage, owner.uid, owner.gid);
      await copyRoots(params.index.roots, join(stage, FILES), context);
      return await pack(params, stage, context);
    } catch (error) {
      throw context.signal.aborted ? context.signal.reason : backupFailed("stack", error);
    } finally {
      await rm(stage, { recursive: true, force: true });
    }
  },
};

async function pack(
  { index, model, skipped, sink }: StackPackParams,
  stage: string,
  { signal }: TaskContext,
): Promise<Component> {
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await writeFile(join(stage, MODEL_FILE), json(model), { mode: 0o600 });
  await writeFile(join(stage, INDEX_FILE), json(index), { mode: 0o600 });
  const tar = packTar({ directory: stage, signal });
  return await writeComponent(sink, {
    name: "stack",
    store: "stack",
    method: "docker compose config, tar",
    extension: "tar",
    compress: true,
    source: tar.source,
    done: tar.done,
    signal,
    clock: systemClock,
    describe: async (open) => {
      const { files, contentBytes } = (await tar.done).summary;
      const { roots, composeFiles, envFiles, profiles, ...rest } = index;
      return {
        source: index.directory,
        counts: { files, bytes: contentBytes },
        details: {
          ...rest,
          composeFiles: [...composeFiles],
          envFiles: [...envFiles],
          profiles: [...profiles],
          roots: [...roots],
        },
        warnings: [...skipped],
        recovery: `${open} | tar --numeric-owner -xp --strip-components=2 -C / ./${FILES}`,
      };
    },
  });
}

/**
 * Copies each file to its place below the stage. Where a link leads is in the list, too: one that leads elsewhere by now
 * was exchanged after the list was judged.
 */
async function copyRoots(
  roots: readonly string[],
  into: string,
  { signal }: TaskContext,
): Promise<void> {
  for (const path of roots) {
    signal.throwIfAborted();
    try {
      const isLink = (await lstat(path)).isSymbolicLink();
      if (isLink && !roots.includes(await realpath(path))) {
        throw new Error("the symbolic link was changed during the backup");
      }
      // From the root, because cp reads the attributes of the parent directories relative to its working directory.
      const args = ["--archive", "--parents", "--", path.slice(1), into];
      await run("cp", args, { cwd: "/", signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new BackupFailedError(`a file of the stack cannot be read: ${path}`, {
        cause,
        class: "stack-file",
        hint: "the stack cannot start without this file: restore it, or remove it from the compose file",
      });
    }
  }
}
