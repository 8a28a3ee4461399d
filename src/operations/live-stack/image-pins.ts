import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  fsyncDirectorySync,
  makeDirectorySync,
  overwriteFile,
  removeFile,
  removeReplacements,
  replaceFile,
} from "../../core/durable.ts";
import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { type ComposeProject, createCompose } from "../../stack/compose.ts";
import type { Engine } from "../../stack/engine.ts";
import type { Pins } from "./journal-shapes.ts";
import { imageEdits, type ProjectFile } from "./pin-edits.ts";
import { projectEnvFiles, writeTrial } from "./pin-trial.ts";

type Edit = Pins["edits"][number];

/** What {@link planPins} works with. */
interface PinContext {
  readonly engine: Engine;
  readonly project: ComposeProject;
  /** The model that the files resolve to now. */
  readonly model: ComposeModel;
  /** The files that `include` brings in. */
  readonly included: readonly Omit<ProjectFile, "text">[];
  readonly pin: Options["pin"];
  /** The directory that keeps the file contents from before and after the edits. */
  readonly work: string;
  /** The directory for an override file that a plain `docker compose up` does not read. */
  readonly repository: string;
}

/**
 * Plans the edits that make the project's files name these images; no edits if they already do. Each edit is tested
 * with Compose on copies of the files: it changes the images and nothing else.
 *
 * @throws RefusedError when the files cannot be edited that way.
 */
export async function planPins(
  context: PinContext,
  wanted: Readonly<Record<string, string>>,
  name: string,
): Promise<Pins> {
  const { project, model, pin } = context;
  const services = Object.keys(wanted).filter((s) => model.services[s]?.image !== wanted[s]);
  if (services.length === 0) return { edits: [], composeFiles: [...project.composeFiles] };
  makeDirectorySync(context.work, 0o700);
  if (pin === "file") {
    const files = await editFiles(context, wanted, services);
    return { edits: keep(context, files, name), composeFiles: [...project.composeFiles] };
  }
  const path = pin === "override" ? overridePath(project) : join(context.repository, "images.yml");
  const text = `# Written by sophon-keeper: the images that run.\n${JSON.stringify({
    services: Object.fromEntries(services.map((s) => [s, { image: wanted[s] }])),
  })}\n`;
  const others = project.composeFiles.filter((file) => file !== path);
  return { edits: keep(context, [{ path, text }], name), composeFiles: [...others, path] };
}

/** Writes the planned contents into the files: atomically, durably, and with owner and mode preserved. */
export function applyEdits(edits: readonly Edit[]): void {
  for (const { path, after } of edits) putText(path, readFileSync(after, "utf8"));
}

/**
 * Restores the old contents durably, and removes leftovers of an interrupted edit. Safe to run twice.
 *
 * @returns the files that someone else changed meanwhile; they are left as they are.
 */
export function undoEdits(edits: readonly Edit[]): string[] {
  const changed: string[] = [];
  for (const { path, existed, before, after } of edits) {
    const now = existsSync(path) ? readFileSync(path, "utf8") : undefined;
    const was = existed ? readFileSync(before, "utf8") : undefined;
    const made = readFileSync(after, "utf8");
    removeReplacements(path, [made, was ?? ""]);
    if (now === was) continue;
    // An interrupted write in place may have left a truncated file.
    const isOurs = now === undefined || made.startsWith(now) || was?.startsWith(now);
    if (!isOurs) changed.push(path);
    else if (was === undefined) removeFile(path);
    else putText(path, was);
  }
  return changed;
}

async function editFiles(
  context: PinContext,
  wanted: Readonly<Record<string, string>>,
  services: readonly string[],
): Promise<ProjectFile[]> {
  const original = projectFiles(context);
  let files = original;
  let expected = context.model;
  const left = [...services];
  /** Services that keep their image, each with a line of its own since it had that from another one's. */
  const kept = new Set<string>();
  for (let deferred = 0; left.length > 0; ) {
    const service = left.shift() ?? "";
    const reference = wanted[service] ?? expected.services[service]?.image ?? "";
    const step = { service, reference, wanted, left, expected };
    const candidates = imageEdits(files, service, reference).map((edited) =>
      files.some(({ path }) => path === edited.path)
        ? files.map((file) => (file.path === edited.path ? edited : file))
        : [...files, edited],
    );
    const { right, drawn } = await bestEdit(context, candidates, step);
    if (right !== undefined) {
      [files, expected, deferred] = [[...right.files], right.model, 0];
      for (const one of right.done) left.splice(left.indexOf(one), 1);
      continue;
    }
    const others = drawn.filter((one) => !left.includes(one) && !kept.has(one));
    if (others.length > 0) {
      for (const one of others) kept.add(one);
      left.unshift(...others);
      left.push(service);
      deferred = 0;
      continue;
    }
    if (deferred === left.length) {
      throw new RefusedError(`the image of ${service} cannot be written into the project's files`, {
        class: "pin",
        hint: "Use pin: override for an override file, or write the new image into the file and omit images.",
      });
    }
    // Another service may refer to its line, and gets one of its own first.
    left.push(service);
    deferred += 1;
  }
  return files.filter(
    (file) => original.find(({ path }) => path === file.path)?.text !== file.text,
  );
}

function projectFiles({ project, included }: PinContext): ProjectFile[] {
  return [
    ...project.composeFiles.map((path) => ({ path, kind: "compose" as const })),
    ...projectEnvFiles(project).map((path) => ({ path, kind: "env" as const })),
    ...included,
  ].map((file) => ({
    ...file,
    text: existsSync(file.path) ? readFileSync(file.path, "utf8") : "",
  }));
}

/** What one edit is for. */
interface Step {
  readonly service: string;
  readonly reference: string;
  readonly wanted: Readonly<Record<string, string>>;
  /** The services that still have to be written. */
  readonly left: readonly string[];
  /** What the files resolve to so far. */
  readonly expected: ComposeModel;
}

/** Files that resolve to what is wanted, and the services besides that are done with the same edit: they share a variable. */
interface RightEdit {
  readonly files: readonly ProjectFile[];
  readonly model: ComposeModel;
  readonly done: readonly string[];
}

/**
 * The candidate set of files that writes the most of the wanted images, and changes nothing else. Without one, the services
 * whose images a candidate changes, too, and nothing else.
 */
async function bestEdit(
  { engine, project, work }: PinContext,
  candidates: readonly (readonly ProjectFile[])[],
  { service, reference, wanted, left, expected }: Step,
): Promise<{ readonly right?: RightEdit; readonly drawn: readonly string[] }> {
  const trial = join(work, "trial");
  const alone = withImage(expected, service, reference);
  let best: RightEdit | undefined;
  let drawn: readonly string[] = [];
  for (const files of candidates) {
    const model = await createCompose(engine, writeTrial(files, project, trial))
      .config()
      .catch(() => undefined);
    rmSync(trial, { recursive: true, force: true });
    if (model === undefined) continue;
    const done = left.filter((one) => model.services[one]?.image === wanted[one]);
    const right = done.reduce((next, one) => withImage(next, one, wanted[one] ?? ""), alone);
    if (JSON.stringify(model) === JSON.stringify(right)) {
      if (best === undefined || done.length > best.done.length) best = { files, model, done };
      if (done.length === left.length) break;
    } else if (drawn.length === 0) drawn = drawnAlong(model, alone);
  }
  return best === undefined ? { drawn } : { right: best, drawn: [] };
}

/** The services whose images differ, if nothing else does. */
function drawnAlong(model: ComposeModel, expected: ComposeModel): string[] {
  const imageOf = (name: string) => expected.services[name]?.image ?? "";
  const names = Object.keys(expected.services).filter(
    (name) => imageOf(name) !== "" && model.services[name]?.image !== imageOf(name),
  );
  const back = names.reduce((found, name) => withImage(found, name, imageOf(name)), model);
  return JSON.stringify(back) === JSON.stringify(expected) ? names : [];
}

function withImage(model: ComposeModel, service: string, image: string): ComposeModel {
  return JSON.parse(
    JSON.stringify(model, (key, value: unknown) =>
      value === model.services[service] && key === service
        ? { ...(value as object), image }
        : value,
    ),
  ) as ComposeModel;
}

function keep(
  { work }: PinContext,
  files: readonly { readonly path: string; readonly text: string }[],
  name: string,
): Edit[] {
  const edits = files.map(({ path, text }, at) => {
    const existed = existsSync(path);
    requireWritable(existed ? path : dirname(path), path);
    const before = join(work, `${name}-${at}-before`);
    const after = join(work, `${name}-${at}-after`);
    writeFileSync(before, existed ? readFileSync(path) : "", { mode: 0o600, flush: true });
    writeFileSync(after, text, { mode: 0o600, flush: true });
    return { path, existed, before, after };
  });
  // The journal will refer to these files for the rollback, so they must be durable.
  fsyncDirectorySync(work);
  return edits;
}

/** Checks the permission now, not after the stack was stopped for the edit. */
function requireWritable(place: string, path: string): void {
  try {
    accessSync(place, constants.W_OK);
  } catch (cause) {
    throw new RefusedError(`${path} has to name the new image, but this user may not write to it`, {
      cause,
      class: "pin",
      hint: "Give this user write access, or use pin: none.",
    });
  }
}

/** The override file that Compose reads automatically next to a compose file with a default name. */
function overridePath({ composeFiles, directory }: ComposeProject): string {
  const [main = ""] = composeFiles;
  const match = /^((?:docker-)?compose)\.(ya?ml)$/.exec(basename(main));
  if (match === null || dirname(main) !== directory) {
    throw new RefusedError(`pin: Compose reads no override file next to ${main} automatically`, {
      class: "pin",
      hint: "Use pin: file.",
    });
  }
  const path = join(directory, `${match[1]}.override.${match[2]}`);
  if (!existsSync(path) || readFileSync(path, "utf8").startsWith("# Written by sophon-keeper")) {
    return path;
  }
  throw new RefusedError(`pin: ${path} already exists and was not written by sophon-keeper`, {
    class: "pin",
    hint: "Use pin: file, which edits the file in place.",
  });
}

/** Replaces the file atomically, or writes in place if this user may not preserve its owner. */
function putText(path: string, text: string): void {
  try {
    replaceFile(path, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!existsSync(path) || (code !== "EPERM" && code !== "EACCES")) throw error;
    overwriteFile(path, text);
  }
}
