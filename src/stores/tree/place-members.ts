import { mkdir, open, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../core/exec.ts";
import type { NamedTask } from "../../core/task.ts";
import { removeTree } from "../../core/temp.ts";
import type { SourceOptions } from "../reader.ts";
import { sqliteCompanions } from "../sqlite/sqlite.ts";
import { type MemberSelection, unpackSelection } from "./extract-members.ts";
import { refuseLinks } from "./inner-links.ts";
import { inside, statsOf } from "./raw-names.ts";
import { marker, placesOf, type TreeReplacement } from "./replace.ts";

/** The parameters of the task: `stamp` is that under which the previous content was set aside. */
interface PlaceMembersParams extends TreeReplacement {
  readonly source: SourceOptions;
  readonly selection: MemberSelection;
  /** Places of other stores and of mounts inside the target. */
  readonly inner?: readonly string[];
}

/**
 * Puts single files and directories of a backup into a directory that has no writers and whose previous content was set
 * aside: each takes the place of what has its name, and a directory is afterwards exactly the one of the backup. All is
 * unpacked before the first is placed. The log files that belong to a replaced SQLite database are removed, because
 * SQLite would apply them to the older one.
 *
 * @returns how many of the roots of the selection were placed.
 * @throws Error if something else stands where a directory must be (see {@link membersAtPlace}), DamagedError.
 */
export const placeMembers: NamedTask<PlaceMembersParams, { readonly placed: number }> = {
  name: "tree.place-members",
  run: async ({ target, stamp, source, selection, inner = [] }, context) => {
    // A rollback removes `unpacking`, and the programs that are marked so.
    const { unpacking, aside } = await placesOf({ target, stamp });
    const [fresh, old] = [join(unpacking, "new"), join(unpacking, "old")];
    await removeTree(unpacking);
    for (const path of [unpacking, fresh, old]) await mkdir(path, { mode: 0o700 });
    await unpackSelection(selection, fresh, source, context, { [marker]: aside });
    if (source.untrusted === true) await refuseLinks(fresh, inner);
    const placing = new Placing(old, new Set(selection.roots));
    await placing.fill(Buffer.from(fresh), Buffer.from(target), "");
    await removeTree(unpacking);
    await run("sync", ["--file-system", target], { signal: context.signal });
    return { placed: placing.placed };
  },
};

/** Where a file or directory of a backup would be put. */
interface MembersPlace {
  /** The directory of the store. */
  readonly target: string;
  readonly roots: readonly string[];
}

/** One path of a selection in its place. */
interface MemberAtPlace {
  readonly name: string;
  /** Whether something is there, which would be replaced. */
  readonly exists: boolean;
  /** What stands where a directory must be: a file, or a link, which is not followed. */
  readonly blockedBy?: string;
}

/** Looks at the places of files and directories of a backup. Changes nothing. */
export const membersAtPlace: NamedTask<MembersPlace, MemberAtPlace[]> = {
  name: "tree.members-at",
  run: async ({ target, roots }) => {
    const all: MemberAtPlace[] = [];
    for (const name of roots) {
      const blockedBy = await blockerOf(target, name);
      const exists = blockedBy === undefined && (await statsOf(join(target, name))) !== undefined;
      all.push({ name, exists, ...(blockedBy === undefined ? {} : { blockedBy }) });
    }
    return all;
  },
};

async function blockerOf(target: string, name: string): Promise<string | undefined> {
  const parts = name.split("/");
  for (let length = 1; length < parts.length; length += 1) {
    const path = join(target, ...parts.slice(0, length));
    const stats = await statsOf(path);
    if (stats === undefined) return undefined;
    if (!stats.isDirectory()) return path;
  }
  return undefined;
}

class Placing {
  /** How many roots are in their place. */
  placed = 0;
  readonly #old: string;
  readonly #roots: ReadonlySet<string>;
  #removed = 0;

  constructor(old: string, roots: ReadonlySet<string>) {
    this.#old = old;
    this.#roots = roots;
  }

  /** Puts what is in `from` into the directory `to`, whose name in the archive is `above`, empty for its top. */
  async fill(from: Buffer, to: Buffer, above: string): Promise<void> {
    // A name may be no UTF-8.
    for (const name of await readdir(from, { encoding: "buffer" })) {
      const path = `${above}${name.toString("utf8")}`;
      await this.#place(inside(from, name), inside(to, name), path);
    }
  }

  async #place(from: Buffer, to: Buffer, path: string): Promise<void> {
    const there = await statsOf(to);
    if (this.#roots.has(path)) {
      if (there !== undefined) await this.#remove(to);
      await rename(from, to);
      this.placed++;
      if (await isSqlite(to)) await this.#removeCompanions(to, path);
    } else if (there === undefined) {
      await rename(from, to);
      const below = `${path}/`;
      this.placed += [...this.#roots].filter((root) => root.startsWith(below)).length;
    } else if (there.isDirectory()) {
      await this.fill(from, to, `${path}/`);
    } else {
      throw new Error(`${to} is not a directory`);
    }
  }

  async #removeCompanions(to: Buffer, path: string): Promise<void> {
    const companions = sqliteCompanions("").filter(
      (suffix) => !this.#roots.has(`${path}${suffix}`),
    );
    for (const suffix of companions) {
      const companion = Buffer.concat([to, Buffer.from(suffix)]);
      if ((await statsOf(companion)) !== undefined) await this.#remove(companion);
    }
  }

  async #remove(path: Buffer): Promise<void> {
    await rename(path, join(this.#old, String(this.#removed++)));
  }
}

async function isSqlite(path: Buffer): Promise<boolean> {
  if ((await statsOf(path))?.isFile() !== true) return false;
  await using handle = await open(path);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
  return buffer.subarray(0, bytesRead).toString("latin1") === "SQLite format 3\0";
}
