import { existsSync } from "node:fs";
import { cp, readFile, realpath, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { version } from "../../version.ts";
import { exampleNames } from "./files.ts";

/** The program itself, and the examples that came with it. */
interface OwnFiles {
  /** The absolute path of the program that a schedule starts. */
  readonly program: string;
  /** The absolute path of its Node. */
  readonly node: string;
  /** The folder of the package. */
  readonly folder: string;
  /** The examples by name. */
  readonly examples: Readonly<Record<string, string>>;
  /** The copy that {@link keepProgram} has to make before `program` is there. */
  readonly copy?: ProgramCopy;
}

interface ProgramCopy {
  readonly from: string;
  readonly to: string;
}

/**
 * Looks only; see {@link keepProgram}.
 *
 * @param keepIn - where the program is copied to if it runs from the cache of `npx`, which npm cleans at any time: a schedule
 * needs a program that stays.
 * @throws RefusedError if this copy of the program came without its examples.
 */
export async function ownFiles(argv1: string, keepIn: string): Promise<OwnFiles> {
  // From `dist/`, and from the sources.
  const folders = ["../examples", "../../../examples"].map((up) => join(import.meta.dirname, up));
  const folder = folders.find((path) => existsSync(join(path, exampleNames[0] ?? "")));
  if (folder === undefined) {
    throw new RefusedError("the examples of sophon-keeper are not beside its dist directory", {
      class: "package",
      hint: "Install the whole package, or copy the examples from the project's repository.",
    });
  }
  const read = exampleNames.map(
    async (name) => [name, await readFile(join(folder, name), "utf8")] as const,
  );
  const examples = Object.fromEntries(await Promise.all(read));
  const running = await realpath(argv1);
  const own = { folder: dirname(folder), examples, node: await stablePath(process.execPath) };
  if (!running.includes("/_npx/")) return { ...own, program: await stablePath(running) };
  const copy = { from: resolve(running, "../.."), to: `${keepIn}-${version}` };
  return { ...own, copy, program: join(copy.to, "dist/cli.js") };
}

/** Makes a copy of the package that stays. One of this version that is there already is the same. */
export async function keepProgram({ from, to }: ProgramCopy): Promise<void> {
  if (existsSync(to)) return;
  const partial = `${to}.new`;
  await rm(partial, { recursive: true, force: true });
  await cp(from, partial, { recursive: true });
  await rename(partial, to);
}

/**
 * The same file by a path that the next version has, too: `install.sh` keeps each version in a directory of its own, and a link to
 * the newest beside them.
 */
async function stablePath(path: string): Promise<string> {
  const [, before, after] = /^(.*\/sophon-keeper)-\d[^/]*(\/.*)$/.exec(path) ?? [];
  if (before === undefined || after === undefined) return path;
  const linked = await realpath(before + after).catch(() => undefined);
  return linked === path ? before + after : path;
}
