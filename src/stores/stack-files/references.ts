import type { Stats } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { readEnvTexts, substitute } from "../../core/env-file.ts";
import { inheritedVariables } from "../../core/exec.ts";
import type { Stack } from "../../model/stack.ts";

/** A larger file that is mounted is data and belongs to a store. */
const MAX_BYTES = 4 * 1024 * 1024;

/** A file of the stack, and what names it. */
export interface NamedFile {
  /** Absolute, as it is named: a symbolic link is not resolved. */
  readonly path: string;
  /** What names it, such as `service app: env_file`. */
  readonly by: string;
}

/** What names the files that `include` brings in. */
const INCLUDED = {
  compose: ["include"],
  env: ["env_file of include", "variables of an included file"],
};

/** The compose files and the env files that `include` brings in, among all that the compose files name. */
export function includedFiles(
  named: readonly NamedFile[],
): { readonly path: string; readonly kind: "compose" | "env" }[] {
  const kinds = ["compose", "env"] as const;
  return kinds.flatMap((kind) =>
    named.flatMap(({ path, by }) => (INCLUDED[kind].includes(by) ? [{ path, kind }] : [])),
  );
}

/**
 * The files that Compose reads itself or mounts because the compose files name them: `include`, `extends`, `env_file`,
 * `label_file`, the files of `secrets` and `configs`, a named Dockerfile, and mounts of one file. The resolved model no
 * longer shows most of them, and a missing one makes a restore on a bare host fail. Nothing else names a file: a path in a
 * label, a variable or a command is only a text, and the file may be one that nobody meant to give away.
 */
export async function referencedFiles(
  stack: Pick<Stack, "directory" | "composeFiles" | "envFiles">,
): Promise<NamedFile[]> {
  const implied = resolve(stack.directory, ".env");
  const shell = inheritedVariables();
  const variables = await readVariables([implied, ...stack.envFiles], shell);
  const found = new Map<string, NamedFile>();
  const add = async ({ by, path }: NamedFile) => {
    if (stack.composeFiles.includes(path) || found.has(path)) return false;
    if (!(await isNamed(path, by))) return false;
    found.set(path, { path, by });
    return true;
  };
  await add({ path: implied, by: "variables of the project" });
  const open: Document[] = stack.composeFiles.map((file) => ({
    ...{ file, base: stack.directory, variables },
  }));
  for (let document = open.pop(); document !== undefined; document = open.pop()) {
    const { base, file } = document;
    const written = documentsIn(await readFile(file, "utf8")).flatMap(references);
    for (const reference of written) {
      const path = await pathOf(reference.path, document, reference.within);
      const added = await add({ path, by: reference.by });
      if (reference.leadsTo === "extends" && added) {
        open.push({ ...document, file: path, base: dirname(path) });
      }
      if (reference.leadsTo !== "include") continue;
      const set = reference.directory;
      const inner =
        set === undefined ? dirname(path) : resolve(base, substitute(set, document.variables));
      // An included file reads the `.env` of its own directory, unless it names others.
      const envFiles = [join(dirname(path), ".env"), join(inner, ".env")];
      for (const one of envFiles) await add({ path: one, by: "variables of an included file" });
      const given = await Promise.all(
        (reference.envFiles ?? []).map((one) => pathOf(one, document)),
      );
      const own = await readVariables([...envFiles, ...given], document.variables);
      if (added) open.push({ file: path, base: inner, variables: own });
    }
  }
  return [...found.values()];
}

/** A compose file to be read. */
interface Document {
  readonly file: string;
  /** Where its relative paths start. */
  readonly base: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** A path as written in a compose file. */
interface Reference {
  readonly path: string;
  readonly by: string;
  /** A directory, as written, in which the path starts. */
  readonly within?: string;
  /** Whether the file is a compose file, too. */
  readonly leadsTo?: "include" | "extends";
  /** The `project_directory` and the `env_file` of an included file, as written. */
  readonly directory?: string;
  readonly envFiles?: readonly string[];
}

/**
 * The documents of a compose file: Compose puts several together. Compose could read the file, so what is an error here says
 * only that Compose knows more of its syntax: the rest counts all the same. The file itself is in the backup.
 */
function documentsIn(text: string): unknown[] {
  const options = { merge: true, logLevel: "silent", uniqueKeys: false } as const;
  return [...parseAllDocuments(text, options)].flatMap((document) => {
    try {
      // Aliases are the same object each time: however many there are, nothing is copied.
      return [document.toJS({ maxAliasCount: -1 }) as unknown];
    } catch {
      return [];
    }
  });
}

/** Every path in a document that Compose reads or mounts. */
function references(document: unknown): Reference[] {
  const { include, services, secrets, configs } = membersOf(document);
  return [
    ...listOf(include).flatMap(included),
    ...Object.entries(membersOf(services)).flatMap(([name, service]) =>
      ofService(membersOf(service)).map((one) => ({ ...one, by: `service ${name}: ${one.by}` })),
    ),
    ...Object.entries({ secret: secrets, config: configs }).flatMap(([kind, all]) =>
      Object.entries(membersOf(all)).flatMap(([name, one]) =>
        texts(membersOf(one).file).map((path) => ({ path, by: `${kind} ${name}` })),
      ),
    ),
  ];
}

function included(item: unknown): Reference[] {
  const { path, env_file, project_directory } =
    typeof item === "string" ? { path: item } : (membersOf(item) as Record<string, unknown>);
  const directory = typeof project_directory === "string" ? { directory: project_directory } : {};
  const envFiles = texts(env_file);
  return [
    ...texts(path).map((one) => ({
      ...{ path: one, by: "include", leadsTo: "include" as const, envFiles },
      ...directory,
    })),
    ...envFiles.map((one) => ({ path: one, by: "env_file of include" })),
  ];
}

function ofService(service: Members): Reference[] {
  const { env_file, label_file, extends: extended, build, volumes } = service;
  const { context = ".", dockerfile } = membersOf(build);
  return [
    ...listOf(env_file)
      .flatMap((item) => texts(typeof item === "string" ? item : membersOf(item).path))
      .map((path) => ({ path, by: "env_file" })),
    ...texts(label_file).map((path) => ({ path, by: "label_file" })),
    ...texts(membersOf(extended).file).map((path) => ({
      ...{ path, by: "extends", leadsTo: "extends" as const },
    })),
    ...texts(dockerfile).map((path) => ({ path, by: "dockerfile", within: String(context) })),
    ...listOf(volumes)
      .flatMap(mountSource)
      .map((path) => ({ path, by: "volumes" })),
  ];
}

/** The source of a bind mount. A volume has a plain name, and a target alone names nothing of the host. */
function mountSource(item: unknown): string[] {
  if (typeof item !== "string") {
    const { type, source } = membersOf(item);
    return type === "bind" ? texts(source) : [];
  }
  const source = beforeColon(item);
  return source !== item && /^[./~$]/.test(source) ? [source] : [];
}

type Members = Readonly<Record<string, unknown>>;

function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Members)
    : {};
}

/** A member that may be one item or a list of them. */
function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function texts(value: unknown): string[] {
  return listOf(value).filter(
    (one): one is string => typeof one === "string" && one !== "" && !/[\0\n]/.test(one),
  );
}

/** The source of a mount in short form. A colon inside `${...}` does not end it. */
function beforeColon(part: string): string {
  return /^((?:\$\{[^}]*\}|[^:$]|\$)*)/.exec(part)?.[1] ?? part;
}

/** Where a path leads: from the project directory of its file, or else from the file's own directory. */
async function pathOf(
  written: string,
  { base, file, variables }: Document,
  within = ".",
): Promise<string> {
  const home = (path: string) => path.replace(/^~(?=\/|$)/, homedir());
  const [path, inner] = [written, within].map((one) => home(substitute(one, variables)));
  const [first, second] = [base, dirname(file)].map((from) =>
    resolve(from, inner ?? "", path ?? ""),
  );
  const isThere = (await statOf(first ?? ""))?.isFile() === true;
  return (isThere ? first : second) ?? "";
}

/** The variables of env files, with those around them, which count more. A file that is not there has none. */
async function readVariables(
  files: readonly string[],
  outer: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, string | undefined>> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return { ...readEnvTexts(texts, outer), ...outer };
}

/** Whether a path is a file that belongs to the stack's definition. A large file that is mounted is data. */
async function isNamed(path: string, by: string): Promise<boolean> {
  const found = await statOf(path);
  const isMounted = by.endsWith(": volumes");
  return found?.isFile() === true && (!isMounted || found.size <= MAX_BYTES);
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(() => undefined);
}
