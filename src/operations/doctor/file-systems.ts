import { closeSync, constants, copyFileSync, openSync, writeSync } from "node:fs";
import { stat } from "node:fs/promises";
import { existingAncestor } from "../../core/free-space.ts";
import { placeOf, type Stack } from "../../model/stack.ts";
import type { Repository } from "../../repository/repository.ts";
import { type Finding, judgeDisks, judgeFileSystem, judgeReflinks } from "./findings.ts";
import { firstLine } from "./first-line.ts";

/** What the data and the repository lie on. */
export async function judgePlaces(stack: Stack, { path }: Repository): Promise<Finding[]> {
  const at = await existingAncestor(path);
  const places = [...new Set(stack.stores.map(placeOf))];
  const typeOf = async (place: string) =>
    (await firstLine("stat", ["--file-system", "--format=%T", place])) ?? "unknown";
  const kinds = await Promise.all(
    places.map(async (place) => judgeFileSystem("data", place, await typeOf(place))),
  );
  const devices = await Promise.all(places.map(deviceOf));
  // One of each file system: a single file stands for its directory.
  const probed = places.filter((_, index) => devices.indexOf(devices[index] ?? -1) === index);
  return [
    ...kinds.filter(({ status }) => status !== "pass"),
    judgeFileSystem("repository", path, await typeOf(at)),
    judgeDisks((await stat(at)).dev, devices),
    ...probed.flatMap((place) => judgeReflinks(place, sharesBlocks(place))),
  ];
}

async function deviceOf(place: string): Promise<number> {
  return (await stat(place).catch(() => undefined))?.dev ?? -1;
}

/** Opens a file without a name in a directory (open(2)). */
const noName = 0o20000000 | constants.O_DIRECTORY;

/**
 * Whether files of a directory can share blocks. Leaves no trace: the two files that it tries with never have a name.
 *
 * @returns undefined if this user or this file system does not let it try.
 */
function sharesBlocks(directory: string): boolean | undefined {
  const open: number[] = [];
  try {
    for (let count = 0; count < 2; count += 1) {
      open.push(openSync(directory, noName | constants.O_RDWR, 0o600));
    }
    const [from = -1, to = -1] = open;
    writeSync(from, Buffer.alloc(4096, 1));
    return clones(`/proc/self/fd/${from}`, `/proc/self/fd/${to}`);
  } catch {
    return undefined;
  } finally {
    for (const file of open) closeSync(file);
  }
}

function clones(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  }
}
