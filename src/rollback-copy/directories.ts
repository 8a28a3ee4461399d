import { mkdirSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { attributesOfDirectories } from "./attributes.ts";
import type { MirrorOptions } from "./pass.ts";
import { explain, isFatal, runMarked, tarAcross } from "./programs.ts";
import { type Entry, likeness, printable, rawPath, stampOf, statOf } from "./tree.ts";

/**
 * Gives directories in `to` the attributes of those in `from`: mode, owner, mtime, extended
 * attributes, ACLs. Nothing is made or removed inside.
 *
 * @returns the paths that could not be updated, because a live source changed meanwhile.
 */
export async function setDirectories(
  from: string,
  to: string,
  directories: readonly Entry[],
  options: MirrorOptions,
): Promise<string[]> {
  if (directories.length === 0) return [];
  const paths = directories.map(({ path }) => path);
  try {
    if (!(await renewMarked(from, to, paths, options))) return paths;
    await tarAcross(options, from, to, paths);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!options.live || isFatal(error)) throw explain(error, to);
    return paths;
  }
  return directories.filter((entry) => !isAlike(to, entry, options)).map(({ path }) => path);
}

function isAlike(to: string, { path, stamp }: Entry, options: MirrorOptions): boolean {
  const there = statOf(to, path);
  if (there !== undefined && likeness(stampOf(there)) === likeness(stamp)) return true;
  if (!options.live) throw new Error(`the attributes of ${printable(path)} could not be set`);
  return false;
}

/**
 * GNU tar adds extended attributes but never removes any. A directory with an extra attribute is replaced by a new one
 * with the same content, because nothing here can remove the attribute.
 */
async function renewMarked(
  from: string,
  to: string,
  paths: readonly string[],
  options: MirrorOptions,
): Promise<boolean> {
  const wanted = await attributesOfDirectories(options, from, paths);
  const there = await attributesOfDirectories(options, to, paths);
  const isComplete = wanted.length === paths.length && there.length === paths.length;
  if (!(isComplete || options.live)) throw new Error(`a directory of ${from} or ${to} is missing`);
  for (const [at, path] of isComplete ? paths.entries() : []) {
    const names = new Set(namesOf(wanted[at] ?? ""));
    const extra = namesOf(there[at] ?? "").filter((name) => !names.has(name));
    if (extra.length === 0) continue;
    if (path === "") await unmark(to, extra, options);
    else renew(to, path);
  }
  return isComplete;
}

/** A root cannot be replaced, because it may be a mount point. */
async function unmark(root: string, extra: readonly string[], options: MirrorOptions) {
  for (const name of extra) {
    try {
      await runMarked(options, "setfattr", ["--remove", name, "--", root], root);
    } catch (cause) {
      const command = `setfattr -x ${name} ${root}`;
      throw new Error(`${root} has an attribute that must be removed by hand: ${command}`, {
        cause,
      });
    }
  }
}

function renew(root: string, path: string): void {
  const fresh = `${path}.renewed-${process.pid}`;
  mkdirSync(rawPath(root, fresh), { mode: 0o700 });
  for (const name of readdirSync(rawPath(root, path), { encoding: "latin1" })) {
    renameSync(rawPath(root, `${path}/${name}`), rawPath(root, `${fresh}/${name}`));
  }
  rmdirSync(rawPath(root, path));
  renameSync(rawPath(root, fresh), rawPath(root, path));
}

/** The names of the extended attributes in a text of `attributesOfDirectories`; ACLs, which tar does take away, are left out. */
function namesOf(attributes: string): string[] {
  return (
    attributes
      .split("\n")
      .flatMap((record) => /^SCHILY\.xattr\.([^=]*)=/.exec(record)?.[1] ?? [])
      // GNU tar writes the two characters that would end or escape a name so.
      .map((name) => name.replaceAll("%3D", "=").replaceAll("%25", "%"))
  );
}
