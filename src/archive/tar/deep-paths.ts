import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { lstat, rename, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The kernel takes no longer path in one piece (PATH_MAX is 4096); some of it is that of the directory. */
const longestBytes = 3000;
/** A directory this deep is unpacked under a short name. With one more name it is still far below the limit. */
const stepBytes = 2000;

/** Whether GNU tar may be unable to unpack a member under its whole name. */
export function isDeep(name: string): boolean {
  return Buffer.byteLength(name) > longestBytes;
}

/** A directory that is unpacked under a short name first. */
interface DeepDirectory {
  /** From the archive's root, without `./`. */
  readonly path: string;
  /** The name in the archive's root under which it is unpacked. */
  readonly short: string;
}

/**
 * The directories that are unpacked on their own, so that no path is longer than the kernel takes: outer ones before
 * those inside them.
 *
 * @param names - the deep members, from the archive's root without `./`
 */
export function deepDirectories(names: readonly string[]): DeepDirectory[] {
  const found = new Set<string>();
  for (const name of names) for (const path of stepsOf(name)) found.add(path);
  const token = randomBytes(6).toString("hex");
  return [...found]
    .toSorted((a, b) => a.length - b.length)
    .map((path, index) => ({ path, short: `.sophon-keeper-deep-${token}-${index}` }));
}

/** The arguments that make GNU tar unpack these directories, and only these, under their short names. */
export function deepArguments(directories: readonly DeepDirectory[]): string[] {
  const innerFirst = directories.toReversed();
  const isInner = ({ path }: DeepDirectory) =>
    directories.some((other) => path.startsWith(`${other.path}/`));
  return [
    // Targets of hard links are members, too; those of symbolic links mean what they say.
    ...innerFirst.map(
      ({ path, short }) =>
        `--transform=flags=rhS;s${mark}^\\./${escaped(path)}${mark}./${short}${mark}`,
    ),
    "--",
    // A directory comes with all that is in it.
    ...directories.filter((one) => !isInner(one)).map(({ path }) => `./${path}`),
  ];
}

/** Moves the directories from their short names to their places. What was unpacked there before is a part of them. */
export async function placeDeep(
  into: string,
  directories: readonly DeepDirectory[],
): Promise<void> {
  for (const directory of directories.toReversed()) {
    const outer = directories.findLast(({ path }) => directory.path.startsWith(`${path}/`));
    const place =
      outer === undefined
        ? join(into, directory.path)
        : join(into, outer.short, directory.path.slice(outer.path.length + 1));
    // Only the synchronous form removes what is deeper than one path can say.
    rmSync(place, { recursive: true, force: true });
    const { atimeMs, mtimeMs } = await lstat(dirname(place));
    await rename(join(into, directory.short), place);
    await utimes(dirname(place), atimeMs / 1000, mtimeMs / 1000);
  }
}

/** The directories above a member at which a path is cut. */
function stepsOf(name: string): string[] {
  const steps: string[] = [];
  let at = 0;
  let bytes = 0;
  let rest = Buffer.byteLength(name);
  for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    const part = Buffer.byteLength(name.slice(at, slash));
    at = slash;
    bytes += part;
    rest -= part;
    if (bytes + 255 < stepBytes) continue;
    steps.push(name.slice(0, slash));
    bytes = 0;
    if (rest <= longestBytes) break;
  }
  return steps;
}

/** Ends the parts of a `s` command of GNU tar. */
const mark = "\x01";

/** A basic regular expression that matches a text literally; a mark in it is matched as any letter. */
function escaped(path: string): string {
  return path.replace(/[\\.*[\]^$]/g, "\\$&").replaceAll(mark, ".");
}
