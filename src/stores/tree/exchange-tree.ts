import { existsSync } from "node:fs";
import { lstat, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory, removeTree } from "../../core/temp.ts";
import { moveAll, moveEntries } from "./move-content.ts";
import { keptPrefix } from "./params.ts";
import { makeLeaving, marker, type Places, placesOf, type TreeReplacement } from "./replace.ts";
import { copyExactly } from "./replace-file.ts";

/** A place whose content is set aside under `stamp`, while content that was set aside earlier comes back. */
interface TreeExchangeParams extends TreeReplacement {
  /** The stamp under which the content was set aside that comes back. */
  readonly from: string;
}

/** The paths of both: of what leaves the place, and of what comes back into it. */
interface BothPlaces {
  readonly leaves: Places;
  readonly comes: Places;
}

/**
 * Exchanges the content of a place with what an earlier replacement set aside. Nothing is copied except a single file,
 * and nothing is removed. The place must have no writers.
 *
 * Can be killed at any time and run again. With `stamp` and `from` exchanged it undoes an exchange, finished or not.
 *
 * @returns the path of the content that left.
 * @throws Error if the content that is to come back does not exist, or something else stands in the place meanwhile.
 */
export const treeExchange: NamedTask<TreeExchangeParams, { readonly aside: string }> = {
  name: "tree.exchange",
  run: async ({ target, stamp, from }) => {
    const both = {
      leaves: await placesOf({ target, stamp }),
      comes: await placesOf({ target, stamp: from }),
    };
    // Never the only place of any content.
    await removeTree(both.comes.making);
    const areFiles = (await isFile(target)) && (await isFile(both.comes.aside));
    if (areFiles) await exchangeFile(target, both);
    else await (both.leaves.inside ? exchangeInside : exchangeBeside)(target, both);
    return { aside: both.leaves.aside };
  },
};

async function exchangeBeside(target: string, { leaves, comes }: BothPlaces): Promise<void> {
  if (!existsSync(comes.aside)) {
    if (existsSync(target)) return;
    throw new Error(`${comes.aside} no longer exists`);
  }
  if (existsSync(target)) {
    if (existsSync(leaves.aside)) await removeStray(target);
    else await rename(target, leaves.aside);
  }
  await rename(comes.aside, target);
  await fsyncDirectory(dirname(target));
}

/** The engine creates an empty directory for a bind mount whose source is missing. */
async function removeStray(target: string): Promise<void> {
  try {
    await rmdir(target);
  } catch (cause) {
    throw new Error(`${target} was created by another program meanwhile: move it away`, { cause });
  }
}

async function exchangeInside(target: string, { leaves, comes }: BothPlaces): Promise<void> {
  // A move out of the target that was interrupted: the target still contains the rest.
  if (existsSync(comes.leaving)) await rename(comes.leaving, comes.returning);
  if (existsSync(comes.aside)) {
    if (existsSync(leaves.returning)) {
      // A move into the target that was interrupted.
      await moveEntries(target, leaves.returning);
      await rename(leaves.returning, leaves.aside);
    } else if (existsSync(leaves.aside)) {
      await requireEmpty(target);
    } else {
      if (!existsSync(leaves.leaving)) await makeLeaving(target, leaves);
      await moveEntries(target, leaves.leaving);
      await rename(leaves.leaving, leaves.aside);
    }
    await rename(comes.aside, comes.returning);
  }
  if (existsSync(comes.returning)) await moveAll(comes.returning, target);
  await fsyncDirectory(target);
}

async function requireEmpty(target: string): Promise<void> {
  const [other] = (await readdir(target)).filter((name) => !name.startsWith(keptPrefix));
  if (other === undefined) return;
  throw new Error(`${target} got content from another program meanwhile: move ${other} away`);
}

/** A file keeps its inode, because a container that has it mounted would not see another one. */
async function exchangeFile(target: string, { leaves, comes }: BothPlaces): Promise<void> {
  const mark = { [marker]: leaves.aside };
  if (!existsSync(leaves.aside)) {
    await rm(leaves.making, { recursive: true, force: true });
    await copyExactly(target, leaves.making, mark);
    await rename(leaves.making, leaves.aside);
    await fsyncDirectory(dirname(target));
  }
  await copyExactly(comes.aside, target, mark);
  await rm(comes.aside);
  await fsyncDirectory(dirname(target));
}

async function isFile(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isFile() === true;
}
