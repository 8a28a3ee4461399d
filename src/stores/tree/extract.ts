import { createWriteStream } from "node:fs";
import { chmod, chown, lstat, mkdir, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ReadRequest, readArchive } from "../../archive/read-archive.ts";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { DamagedError, RefusedError, UnverifiableError } from "../../core/errors.ts";
import { run } from "../../core/exec.ts";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory, removeTree } from "../../core/temp.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { judgeTree, treeScanner } from "./check.ts";

/** One component of a backup, and the name of its plain file or directory. */
interface Extraction {
  readonly archive: Omit<ReadRequest, "observers" | "progress" | "signal">;
  readonly name: string;
  readonly isTree: boolean;
  /** What was recorded of a directory tree; it is compared with what is unpacked. */
  readonly tree?: Component | undefined;
}

/** The parameters of the task. */
export interface ExtractParams {
  /** A missing or empty directory. Its parent exists. */
  readonly into: string;
  readonly extractions: readonly Extraction[];
}

/**
 * Writes components into a directory as plain files. Archives of trees are unpacked with owners, modes and times; every
 * other component becomes one file. The directory is either complete and durable, or unchanged.
 *
 * @returns the checks of the trees, all passed.
 * @throws DamagedError, or the error of the file system; everything written is removed in that case.
 */
export const extractComponents: NamedTask<ExtractParams, Check[]> = {
  name: "backup.extract",
  run: async ({ into, extractions }, { signal, reporter }) => {
    const around = dirname(into);
    const partial = join(around, `.${basename(into)}.sophon-keeper-partial`);
    await removePartial(partial);
    try {
      await mkdir(partial, { mode: 0o700 });
      const checks: Check[] = [];
      for (const { archive, name, isTree, tree } of extractions) {
        const path = join(partial, name);
        const progress = (bytes: number) =>
          reporter.progress(name, { bytes, of: archive.plainBytes });
        if (isTree) {
          await mkdir(path);
          const scanner = tree === undefined ? undefined : treeScanner(tree);
          const observers = scanner === undefined ? [] : [scanner];
          await unpackTar({ ...archive, into: path, signal, observers, progress });
          if (tree === undefined || scanner === undefined) continue;
          checks.push(...requirePassed(judgeTree(tree, scanner.summary(), path)));
        } else {
          const bytes = Readable.from(readArchive({ ...archive, signal, progress }));
          await pipeline(bytes, createWriteStream(path, { mode: 0o600, flags: "wx" }), { signal });
          await likeOwnerOf(around, path);
        }
      }
      await likeOwnerOf(around, partial);
      await chmod(partial, 0o700);
      await run("sync", ["--file-system", partial], { signal });
      // The rename replaces only an empty directory.
      await rename(partial, into);
      await fsyncDirectory(around);
      return checks;
    } catch (error) {
      await removeTree(partial);
      throw error;
    }
  },
};

/**
 * Removes what a killed run left. A file or a link with that name, or a directory of another user, is somebody's own.
 *
 * @throws RefusedError that names it.
 */
export async function removePartial(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats !== undefined && !(stats.isDirectory() && stats.uid === process.geteuid?.())) {
    throw new RefusedError(`target: ${path} is in the way: move it elsewhere`, { class: "input" });
  }
  await removeTree(path);
}

function requirePassed(checks: readonly Check[]): readonly Check[] {
  const bad = checks.find(({ status }) => status !== "pass");
  if (bad === undefined) return checks;
  const message = `${bad.component}: ${bad.name}: ${bad.detail}`;
  throw bad.status === "fail" ? new DamagedError(message) : new UnverifiableError(message);
}

/** In a helper container root creates the files, but they belong to the user. */
export async function likeOwnerOf(directory: string, path: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  await chown(path, uid, gid);
}
