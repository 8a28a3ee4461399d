import { mkdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ByteRange } from "../../archive/ranges.ts";
import { unpackRecords } from "../../archive/tar/pack-tar.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import { rangesOf, type SourceOptions } from "../reader.ts";
import { type Beside, fillBeside } from "./fill-beside.ts";
import { exists, moveIn } from "./move-in.ts";
import { statsOf } from "./raw-names.ts";

/** Some members of an archive of files. Paths are from its root. */
export interface MemberSelection {
  readonly component: Component;
  /** The records of all that is unpacked: the members, the directories above them, and what hard links name. */
  readonly ranges: readonly ByteRange[];
  /** What was asked for, and is in no directory that was. `.` is everything. */
  readonly roots: readonly string[];
  /** Files that are unpacked only because a hard link names them. */
  readonly spare: readonly string[];
}

/** The parameters of the task. */
interface ExtractMembersParams extends Beside {
  readonly source: SourceOptions;
  readonly selections: readonly MemberSelection[];
}

/**
 * Writes single files and directories of a backup into a directory, which may hold other files, below the name of their
 * component, with owners, modes, times and attributes as they were packed. Nothing that exists is changed: a directory that
 * exists keeps its own attributes, and gets what it does not have.
 *
 * @throws RefusedError for the first file that exists, DamagedError; nothing that was written is left then.
 */
export const extractMembers: NamedTask<ExtractMembersParams, null> = {
  name: "backup.extract-members",
  run: async ({ into, partial, source, selections }, context) => {
    for (const { component, roots } of selections) {
      for (const root of roots) await refuseExisting(join(into, component.name, root));
    }
    await fillBeside(
      { into, partial },
      {
        fill: async () => {
          for (const selection of selections) {
            const path = join(partial, selection.component.name);
            await mkdir(path);
            await unpackSelection(selection, path, source, context);
          }
        },
        place: () => moveIn(partial, into),
        signal: context.signal,
      },
    );
    return null;
  },
};

/**
 * Unpacks a selection into an empty directory.
 *
 * @param mark - added to the environment of tar, so that one that outlives its owner can be found
 */
export async function unpackSelection(
  { component, ranges, spare }: MemberSelection,
  into: string,
  source: SourceOptions,
  { signal }: Pick<TaskContext, "signal">,
  mark: Readonly<Record<string, string>> = {},
): Promise<void> {
  const records = rangesOf(source, component, ranges, signal);
  await unpackRecords(records, { into, signal, mark, untrusted: source.untrusted });
  for (const path of spare) {
    await rm(join(into, path), { force: true });
    await removeEmpty(into, dirname(path));
  }
}

/** Directories that tar made for a spare file only. */
async function removeEmpty(top: string, path: string): Promise<void> {
  for (let at = path; at !== "."; at = dirname(at)) {
    try {
      await rmdir(join(top, at));
    } catch {
      return;
    }
  }
}

/** A directory may be there already, and then gets what it does not have. */
async function refuseExisting(path: string): Promise<void> {
  const stats = await statsOf(path);
  if (stats !== undefined && !stats.isDirectory()) throw exists(path);
}
