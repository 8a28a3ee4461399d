import { createWriteStream } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ReadRequest, readArchive } from "../../archive/read-archive.ts";
import { unpackTar } from "../../archive/tar/pack-tar.ts";
import { DamagedError, UnverifiableError } from "../../core/errors.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { judgeTree, treeScanner } from "./check.ts";
import { type Beside, fillBeside, likeOwnerOf } from "./fill-beside.ts";
import { moveIn } from "./move-in.ts";

/** One component of a backup, and the name of its plain file or directory. */
interface Extraction {
  readonly archive: Omit<ReadRequest, "observers" | "progress" | "signal">;
  readonly name: string;
  readonly isTree: boolean;
  /** What was recorded of a directory tree; it is compared with what is unpacked. */
  readonly tree?: Component | undefined;
}

/** The parameters of the task. */
interface ExtractParams extends Beside {
  readonly extractions: readonly Extraction[];
}

/**
 * Writes components into a directory, which is missing or empty, as plain files. Archives of trees are unpacked with owners,
 * modes and times; every other component becomes one file. The directory is either complete and durable, or unchanged.
 *
 * @returns the checks of the trees, all passed.
 * @throws DamagedError, or the error of the file system; everything written is removed in that case.
 */
export const extractComponents: NamedTask<ExtractParams, Check[]> = {
  name: "backup.extract",
  run: async ({ extractions, ...beside }, context) =>
    await fillBeside(beside, {
      fill: async () => {
        const checks: Check[] = [];
        for (const one of extractions) checks.push(...(await extractOne(one, beside, context)));
        return checks;
      },
      place: () => takePlace(beside),
      signal: context.signal,
    }),
};

/** The rename replaces only an empty directory. */
async function takePlace({ into, partial }: Beside): Promise<void> {
  await (dirname(partial) === into ? moveIn(partial, into) : rename(partial, into));
}

async function extractOne(
  { archive, name, isTree, tree }: Extraction,
  { partial }: Beside,
  { signal, reporter }: TaskContext,
): Promise<readonly Check[]> {
  const path = join(partial, name);
  const progress = (bytes: number) => reporter.progress(name, { bytes, of: archive.plainBytes });
  if (!isTree) {
    const bytes = Readable.from(readArchive({ ...archive, signal, progress }));
    await pipeline(bytes, createWriteStream(path, { mode: 0o600, flags: "wx" }), { signal });
    await likeOwnerOf(dirname(partial), path);
    return [];
  }
  await mkdir(path);
  const scanner = tree === undefined ? undefined : treeScanner(tree);
  const observers = scanner === undefined ? [] : [scanner];
  await unpackTar({ ...archive, into: path, signal, observers, progress });
  if (tree === undefined || scanner === undefined) return [];
  return requirePassed(judgeTree(tree, scanner.summary(), path));
}

function requirePassed(checks: readonly Check[]): readonly Check[] {
  const bad = checks.find(({ status }) => status !== "pass");
  if (bad === undefined) return checks;
  const message = `${bad.component}: ${bad.name}: ${bad.detail}`;
  throw bad.status === "fail" ? new DamagedError(message) : new UnverifiableError(message);
}
