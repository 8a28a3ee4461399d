import { dirname, isAbsolute, join } from "node:path";
import { parseDocument } from "yaml";
import { RefusedError } from "../core/errors.ts";
import type { RawInputs } from "./input-files.ts";
import { type InputName, inputSpec, inputs, isInputName } from "./inputs.ts";
import { otherNames } from "./names.ts";
import type { InputKind } from "./spec.ts";
import { nearest } from "./suggest.ts";

/** A configuration file, read and split by stack. */
export interface ConfigFile {
  readonly path: string;
  /** What holds for every stack. */
  readonly common: RawInputs;
  /** What each stack has beside or instead of it. */
  readonly stacks: Readonly<Record<string, RawInputs>>;
}

/** The name of the file where none is given, and the member that holds the stacks. */
export const configName = "sophon-keeper.yaml";
const stacksKey = "stacks";

/** What one run is about. A file that is read by every run must not decide it. */
const ofOneRun: readonly InputName[] = [
  ...(["config", "stack", "print-config", "json", "dry-run", "backup", "target", "only"] as const),
  ...(["images", "new-files", "allow-unsigned", "allow-host-access", "yes", "skip"] as const),
];

/** Secrets, which stand in files of their own; see `fileKey`. */
const secretKinds: readonly InputKind[] = ["secret", "addresses", "identities"];

const listKinds: readonly InputKind[] = [
  ...(["paths", "list", "choices", "recipients", "images", "modes", "candidates"] as const),
];
const lineKinds: readonly InputKind[] = ["lines", "signers", "items"];
const pathKinds: readonly InputKind[] = ["path", "paths", "items"];

/** Whether an input can stand in the file, and by which key. */
function fileKey(name: InputName): string | undefined {
  const { kind, face } = inputSpec(name);
  if (face === "action" || ofOneRun.includes(name)) return undefined;
  return secretKinds.includes(kind) ? `${name}-file` : name;
}

/** Every key of the file with its input. */
export function configKeys(): ReadonlyMap<string, InputName> {
  const names = (Object.keys(inputs) as InputName[]).map((name) => [fileKey(name), name] as const);
  return new Map(names.filter((pair): pair is [string, InputName] => pair[0] !== undefined));
}

/**
 * Reads a configuration file. The values are only brought into the form in which a user types them: `parseOptions` validates
 * them like any other.
 *
 * @param path - the absolute path of the file: relative paths in it start at its directory
 * @throws RefusedError with one line: the file, the key, what is wrong, and what to do.
 */
export function readConfig(text: string, path: string): ConfigFile {
  const content = orEmpty(parsed(text, path));
  if (!isMapping(content)) refuse(path, "is no mapping", "write NAME: VALUE lines");
  const { [stacksKey]: listed, ...common } = content;
  const stacks = orEmpty(listed);
  if (!isMapping(stacks)) refuse(path, `${stacksKey} is no mapping`, "write a name for each stack");
  const named = Object.entries(stacks).map(([name, members]) => {
    if (name === "all" || !/^[\w.-]+$/.test(name)) {
      const fix = "use letters, digits, dots, dashes; all means every stack";
      refuse(path, `${stacksKey} has the name "${name}"`, fix);
    }
    const at = `${stacksKey}.${name}`;
    const own = orEmpty(members);
    if (!isMapping(own)) refuse(path, `${at} is no mapping`, "write NAME: VALUE lines");
    return [name, readMembers(own, path, `${at}.`)] as const;
  });
  return { path, common: readMembers(common, path, ""), stacks: Object.fromEntries(named) };
}

/** The content of the file with every value as the text that stands there: a name of digits is no number. */
function parsed(text: string, path: string): unknown {
  const [cannot, fix] = ["cannot be read as YAML", "mend it"];
  try {
    const document = parseDocument(text, { uniqueKeys: true, schema: "failsafe" });
    const [problem] = document.errors;
    if (problem !== undefined) refuse(path, problem.message.split("\n")[0] ?? cannot, fix);
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof RefusedError) throw error;
    // Aliases that multiply or lead nowhere, nesting without an end.
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return refuse(path, `${cannot} (${why})`, fix);
  }
}

/** A key without a value holds nothing. */
function orEmpty(value: unknown): unknown {
  return value === undefined || value === null || value === "" ? {} : value;
}

/**
 * The inputs of the stacks that a run is about, by name; the name is undefined for a file without `stacks`.
 *
 * @throws RefusedError if there are several and none is chosen, or the chosen one is not there.
 */
export function chooseStacks(
  { path, common, stacks }: ConfigFile,
  wanted: string | undefined,
): readonly { readonly stack: string | undefined; readonly raw: RawInputs }[] {
  const names = Object.keys(stacks);
  const of = (stack: string) => ({ stack, raw: { ...common, ...stacks[stack] } });
  if (wanted === "all" && names.length > 0) return names.map(of);
  if (wanted === undefined && names.length === 0) return [{ stack: undefined, raw: common }];
  const [only] = names;
  if (wanted === undefined && only !== undefined && names.length === 1) return [of(only)];
  if (wanted !== undefined && names.includes(wanted)) return [of(wanted)];
  const fix = `write ${names.length === 0 ? "no stack" : `${names.join(", ")} or all`}`;
  if (wanted !== undefined) refuse(path, `there is no stack "${wanted}"`, fix);
  return refuse(path, `there are ${names.length} stacks and none is chosen`, `give stack: ${fix}`);
}

function readMembers(members: object, path: string, at: string): RawInputs {
  const keys = configKeys();
  const raw: Partial<Record<InputName, string>> = {};
  for (const [key, value] of Object.entries(members) as [string, unknown][]) {
    const name = keys.get(key);
    if (name === undefined) refuseKey(key, path, at, [...keys.keys()]);
    if (value === null || value === "")
      refuse(path, `${at}${key} has no value`, "give one, or remove the line");
    raw[name] = typedText(name, value, { path, key: at + key });
  }
  return raw;
}

interface Place {
  readonly path: string;
  readonly key: string;
}

/** The value as a user types it for the flag. */
function typedText(name: InputName, value: unknown, place: Place): string {
  const { kind, inProject } = inputSpec(name);
  const all = isMapping(value)
    ? Object.entries(value).map(([key, one]) => `${key}=${scalar(one, place)}`)
    : (Array.isArray(value) ? value : [value]).map((one) => scalar(one, place));
  if (isMapping(value) && kind !== "images" && kind !== "modes") {
    refuse(place.path, `${place.key} is a mapping`, "write one value, or a list");
  }
  const here = (text: string) =>
    isAbsolute(text) || text.startsWith("~/") ? text : join(dirname(place.path), text);
  if (secretKinds.includes(kind)) {
    const paths = all.map((text) => here(text.replace(/^@/, "")));
    return kind === "identities" ? JSON.stringify(paths) : `@${paths.join("\n")}`;
  }
  const isPath = pathKinds.includes(kind) && inProject !== true;
  const texts = all.map((text) => {
    if (kind === "recipients" && text.startsWith("@")) return `@${here(text.slice(1))}`;
    return isPath ? here(text) : text;
  });
  const isMany = Array.isArray(value) || isMapping(value);
  if (listKinds.includes(kind) && isMany) return JSON.stringify(texts);
  if (lineKinds.includes(kind) && isMany && texts.some((text) => /[\r\n]/.test(text.trimEnd()))) {
    refuse(place.path, `${place.key} has an item with a line break`, "write each item by itself");
  }
  if (listKinds.includes(kind) || lineKinds.includes(kind)) return texts.join("\n");
  const [only] = texts;
  if (only !== undefined && texts.length === 1) return only;
  return refuse(place.path, `${place.key} is a list`, "write one value");
}

function scalar(value: unknown, { path, key }: Place): string {
  const isScalar = ["string", "number", "boolean"].includes(typeof value);
  if (isScalar && String(value).trim() !== "") return String(value);
  return refuse(
    path,
    `${key} has an empty or nested value`,
    "write a text, a number, true or false",
  );
}

function refuseKey(key: string, path: string, at: string, keys: readonly string[]): never {
  const told = `${at}${key}`;
  if (isInputName(key) && ofOneRun.includes(key)) {
    refuse(path, `${told} is about one run`, `give it as a flag: --${key}`);
  }
  if (isInputName(key) && fileKey(key) === `${key}-file`) {
    refuse(
      path,
      `${told} would hold a secret`,
      `write ${key}-file: PATH of a file that contains it`,
    );
  }
  if (isInputName(key)) refuse(path, `${told} is an input of the action`, "remove the line");
  const near = otherNames[key] ?? nearest(key, [...keys, stacksKey]);
  const fix =
    near === undefined ? "remove the line, or see docs/config.md" : `did you mean ${near}?`;
  refuse(path, `unknown key ${told}`, fix);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(path: string, wrong: string, fix: string): never {
  throw new RefusedError(`${path}: ${wrong}: ${fix}`, { class: "config" });
}
