import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import type { ComposeProject } from "../../stack/compose.ts";
import type { ProjectFile } from "./pin-edits.ts";

/**
 * Writes copies of a project's files into a directory: a project that Compose reads like the original. Where one of the
 * files includes another, its copy includes that one's copy.
 */
export function writeTrial(
  files: readonly ProjectFile[],
  project: ComposeProject,
  directory: string,
): ComposeProject {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const copies = new Map(
    files.map(({ path }, at) => [path, join(directory, `${at}-${basename(path)}`)]),
  );
  const written = new Set<string>();
  const write = (file: ProjectFile, base: string) => {
    const copy = copies.get(file.path);
    if (copy === undefined || written.has(copy)) return;
    written.add(copy);
    const { text, includes } =
      file.kind === "env" ? { text: file.text, includes: [] } : withCopies(file.text, base, copies);
    writeFileSync(copy, text, { mode: 0o600 });
    for (const { path, base: inner } of includes) {
      const included = files.find((one) => one.path === path);
      if (included !== undefined) write(included, inner);
    }
  };
  const copiesOf = (paths: readonly string[], kind: string) => {
    const own = files.filter((file) => file.kind === kind && paths.includes(file.path));
    for (const file of own) write(file, project.directory);
    return own.map(({ path }) => copies.get(path) ?? path);
  };
  const envFiles = projectEnvFiles(project);
  const trial = {
    ...project,
    composeFiles: copiesOf(project.composeFiles, "compose"),
    envFiles: copiesOf(envFiles, "env"),
  };
  for (const file of files.filter(({ kind }) => kind === "env")) write(file, project.directory);
  return trial;
}

/** The env files whose variables the compose files of a project have. */
export function projectEnvFiles({ envFiles, directory }: ComposeProject): readonly string[] {
  return envFiles.length > 0 ? envFiles : [join(directory, ".env")];
}

/** The text of a compose file that includes the copies of files, and what it includes, each with its directory. */
function withCopies(text: string, base: string, copies: ReadonlyMap<string, string>) {
  const includes: { path: string; base: string }[] = [];
  const document = parseDocument(text);
  const items = document.get("include");
  if (!isSeq(items)) return { text, includes };
  for (const [at, item] of items.items.entries()) {
    const value = isScalar(item) || isMap(item) ? (item.toJSON() as unknown) : undefined;
    const given = typeof value === "string" ? { path: value } : (value as Included | undefined);
    const paths = [given?.path ?? []].flat().map((path) => resolve(base, path));
    // A path with a variable, or of a file that is elsewhere, stays: the trial cannot change what is in it.
    if (given === undefined || !paths.some((path) => copies.has(path))) continue;
    const inner = resolve(base, given.project_directory ?? dirname(paths[0] ?? base));
    const env = [given.env_file ?? []].flat().map((path) => resolve(base, path));
    const implied = join(inner, ".env");
    const envFiles = env.length > 0 ? env : copies.has(implied) ? [implied] : [];
    const copied = (all: readonly string[]) => all.map((path) => copies.get(path) ?? path);
    items.set(at, {
      path: copied(paths),
      project_directory: inner,
      ...(envFiles.length === 0 ? {} : { env_file: copied(envFiles) }),
    });
    includes.push(...paths.map((path) => ({ path, base: inner })));
  }
  return { text: includes.length === 0 ? text : document.toString(), includes };
}

/** An item of `include` in its long form. */
interface Included {
  readonly path?: string | readonly string[];
  readonly project_directory?: string;
  readonly env_file?: string | readonly string[];
}
