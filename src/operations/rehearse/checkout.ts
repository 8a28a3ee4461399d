import { existsSync } from "node:fs";
import { cp, mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { clearDirectory } from "../../core/temp.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { modelOfForeign } from "../../stack/compose.ts";
import { composeReferences } from "../../stack/compose-references.ts";
import type { Engine } from "../../stack/engine.ts";
import type { StackSource } from "../fill/stack-source.ts";

/** The stack as the new files define it. */
interface NewFiles {
  readonly model: ComposeModel;
  /** The paths that were read, for messages. */
  readonly files: readonly string[];
}

/**
 * Reads the new definition of the stack: the files of the backup, with those of the checkout laid over them. The
 * checkout is not trusted: it can neither read variables of this process nor files outside of itself.
 *
 * @param base - the directory of the checkout, unless `new-files` names the files
 * @throws RefusedError that names the input or the file.
 */
export async function readNewFiles(
  stack: Pick<StackSource, "index" | "files">,
  { newFiles, projectDirectory }: Pick<Options, "newFiles" | "projectDirectory">,
  engine: Pick<Engine, "environment">,
  base: string,
): Promise<NewFiles> {
  const { index } = stack;
  const { composeFiles, envFiles } = index;
  const own = composeFiles.map((file) => relative(index.directory, file));
  const files =
    newFiles.length > 0 ? newFiles : checkedOut(own, [base, projectDirectory ?? index.directory]);
  const root = await realpath(dirname(files[0] ?? base));
  await using merged = await clearDirectory("sophon-keeper-new-files-", { bytes: 0 });
  await layBackup(stack, merged.path);
  const placed = await layCheckout(files, own, root, merged.path);
  const env = [...envFiles.map((file) => relative(index.directory, file)), ".env"];
  await layVariables([...new Set(env)], root, merged.path);
  const project = {
    ...{ project: index.project, directory: merged.path, composeFiles: placed },
    envFiles: existsSync(join(merged.path, variables)) ? [join(merged.path, variables)] : [],
    profiles: index.profiles,
  };
  const model = await modelOfForeign(engine, project);
  return { model: movedTo(model, merged.path, index.directory), files };
}

const variables = ".sophon-keeper.env";

function checkedOut(own: readonly string[], bases: readonly string[]): string[] {
  const base = bases.find((directory) => existsSync(join(directory, own[0] ?? "")));
  if (base !== undefined && own.every((name) => existsSync(join(base, name)))) {
    return own.map((name) => join(base, name));
  }
  const missing = own.filter((name) => !existsSync(join(base ?? bases[0] ?? ".", name)));
  throw new RefusedError(
    `new-files: ${missing.join(", ")} is not in ${base ?? bases.join(" or in ")}`,
    {
      class: "no-new-files",
      hint: "Run in the checkout, give the new compose files with new-files, or the new images with images.",
    },
  );
}

async function layBackup({ index, files }: Pick<StackSource, "index" | "files">, into: string) {
  for (const [path, copy] of Object.entries(files)) {
    const inner = relative(index.directory, path);
    if (inner.startsWith("..") || isAbsolute(inner)) continue;
    await mkdir(dirname(join(into, inner)), { recursive: true });
    await cp(copy, join(into, inner), { recursive: true, verbatimSymlinks: true });
  }
}

/** Copies the compose files and all that they make Compose read. @returns their places. */
async function layCheckout(
  files: readonly string[],
  names: readonly string[],
  root: string,
  into: string,
): Promise<string[]> {
  const placed: string[] = [];
  const open = files.map((file, at) => ({ file, name: names[at] ?? basename(file) }));
  const seen = new Set<string>();
  for (const [at, { file, name }] of open.entries()) {
    const target = join(into, inside(name));
    if (at < files.length) placed.push(target);
    if (seen.has(target)) continue;
    seen.add(target);
    const text = await textInside(file, root);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text, { mode: 0o600 });
    if (!/\.ya?ml$/.test(file)) continue;
    for (const { key, path } of referencesOf(file, text)) {
      const wanted = resolve(dirname(file), path);
      const inner = relative(root, wanted);
      if (/\$/.test(path) || isAbsolute(path) || inner.startsWith("..")) {
        throw new RefusedError(
          `new-files: ${file}: ${key} names ${path}, which is outside of the checkout`,
          { class: "outside-checkout", hint: "Name a file below the compose file." },
        );
      }
      // A file that only the backup has, such as an env file with secrets, stays that of the backup.
      if (existsSync(wanted)) open.push({ file: wanted, name: inner });
    }
  }
  return placed;
}

function referencesOf(file: string, text: string) {
  try {
    return composeReferences(text);
  } catch (cause) {
    throw new RefusedError(`new-files: ${file} is not YAML`, { class: "compose-config", cause });
  }
}

/** The variables of the backup's env files, with those of the checkout after them: the later ones count. */
async function layVariables(names: readonly string[], root: string, into: string): Promise<void> {
  const texts: string[] = [];
  for (const directory of [into, root]) {
    for (const name of names) {
      const path = join(directory, name);
      if (name.startsWith("..") || isAbsolute(name) || !existsSync(path)) continue;
      texts.push(await textInside(path, directory));
    }
  }
  if (texts.length > 0) await writeFile(join(into, variables), texts.join("\n"), { mode: 0o600 });
}

/** @throws RefusedError for a link that leads out of the checkout. */
async function textInside(file: string, root: string): Promise<string> {
  const real = await realpath(file).catch((cause: unknown) => {
    throw new RefusedError(`new-files: ${file} cannot be read`, { class: "no-new-files", cause });
  });
  if (real === join(root, inside(relative(root, real)))) return await readFile(real, "utf8");
  throw new RefusedError(`new-files: ${file} leads out of the checkout, to ${real}`, {
    class: "outside-checkout",
    hint: "Check the file in instead of a link.",
  });
}

/** A name that stays below a directory. */
function inside(name: string): string {
  return name.startsWith("..") || isAbsolute(name) ? basename(name) : name;
}

/** The same model with the paths that it has on the host of the stack. */
function movedTo(model: ComposeModel, from: string, to: string): ComposeModel {
  return JSON.parse(JSON.stringify(model), (_key, value: unknown) => {
    if (typeof value !== "string") return value;
    if (value === from) return to;
    return value.startsWith(from + sep) ? to + value.slice(from.length) : value;
  }) as ComposeModel;
}
