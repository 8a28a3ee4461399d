import { existsSync } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { exampleNames } from "./files.ts";

/** The program itself, and the examples that came with it. */
interface OwnFiles {
  /** The absolute path of the program that a schedule starts. */
  readonly program: string;
  readonly examples: Readonly<Record<(typeof exampleNames)[number], string>>;
}

/** @throws RefusedError if this copy of the program came without its examples. */
export async function ownFiles(argv1: string): Promise<OwnFiles> {
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
  const examples = Object.fromEntries(await Promise.all(read)) as OwnFiles["examples"];
  return { program: await realpath(argv1), examples };
}
