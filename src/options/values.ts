import { isAbsolute, join, resolve } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { withoutUserInfo } from "../core/secrets.ts";
import { parsePublicKeys } from "../core/ssh-signature.ts";
import { longestAge, millisecondsOf } from "./duration.ts";
import { isAgeKey } from "./key.ts";
import { addressKinds, parseAddress } from "./notify-address.ts";
import type { InputKind, InputSpec } from "./spec.ts";

/** The directories that relative paths are resolved against. */
export interface Places {
  readonly workingDirectory: string;
  readonly home: string | undefined;
}

/** A parsed value of any kind, see {@link readValue}. */
export type Value =
  | string
  | boolean
  | number
  | readonly string[]
  | Readonly<Record<string, string>>
  | Readonly<Record<string, readonly string[]>>;

/**
 * Parses the text of one input according to its kind.
 *
 * @param places - the directories that relative paths are resolved against
 * @throws RefusedError naming the input, what is wrong and what to write instead.
 */
export function readValue(name: string, spec: InputSpec, text: string, places: Places): Value {
  switch (spec.kind) {
    case "text":
      return text.trim();
    case "secret":
      return readSecret(name, text);
    case "path":
      return readPath(name, absolute(text.trim(), places));
    case "paths":
      return pathWords(name, text).map((word) => absolute(word, places));
    case "list":
      return words(name, text);
    case "lines":
      return readPatterns(name, text);
    case "flag":
      return readFlag(name, text);
    case "choice":
      return readChoice(name, spec.choices ?? [], text.trim());
    case "choices":
      return readChoices(name, spec.choices ?? [], text);
    case "integer":
      return readInteger(name, spec, text.trim());
    case "duration":
      return readDurationMs(name, spec, text.trim());
    case "url":
      return readUrl(name, text.trim());
    case "images":
      return readImages(name, text);
    case "candidates":
      return readCandidates(name, text);
    case "modes":
      return readModes(name, spec.choices ?? [], text);
    case "recipients":
      return readRecipients(name, text);
    case "identities":
      return readIdentities(name, text);
    case "signers":
      return readSigners(name, text);
    case "items":
      // A path may begin with a bracket; two of them are no path that anybody has.
      if (/^\s*\["/.test(text)) return jsonTexts(name, text);
      return text.split(/\r?\n/).filter((line) => line.trim() !== "");
    case "addresses":
      return readAddresses(name, text);
  }
}

/**
 * The items of a list input: one per line or separated by commas, without comment lines and empty items. A list that is
 * JSON (a text in quotes, or an array of texts) has exactly the items that it names: what a workflow pastes into one with
 * `toJSON` cannot add another.
 *
 * @throws RefusedError naming the input if a list that begins like JSON is none.
 */
export function words(name: string, text: string): string[] {
  if (isJsonList(text)) return jsonWords(name, text);
  return text
    .split("\n")
    .filter((line) => !line.trim().startsWith("#"))
    .flatMap((line) => line.split(","))
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** {@link words} of a list of paths: a path that contains commas stands in double quotes. */
function pathWords(name: string, text: string): string[] {
  if (/^\s*\[/.test(text) || isJsonText(text)) return jsonWords(name, text);
  return text.split("\n").flatMap((line) => {
    if (!line.includes('"')) return words(name, line);
    const parts = line.match(/"[^"]*"|[^,]+/g) ?? [];
    return parts.map((part) => part.trim().replace(/^"(.*)"$/, "$1")).filter((part) => part !== "");
  });
}

/** Whether the text of a list names its items exactly, as JSON. */
export function isJsonList(text: string): boolean {
  return /^\s*["[]/.test(text);
}

/**
 * One text of a list from two, each in its own form: a flag that is repeated. Neither can add an item to the other.
 *
 * @throws RefusedError naming the input if one begins like JSON and is none.
 */
export function joinLists(name: string, kind: InputKind, before: string, after: string): string {
  const isExact = isJsonList(before) || isJsonList(after);
  if (!isExact || kind === "lines" || kind === "signers") return `${before}\n${after}`;
  const read = (text: string) => {
    if (kind === "items") return readValue(name, { kind } as InputSpec, text, noPlaces) as string[];
    return kind === "paths" ? pathWords(name, text) : words(name, text);
  };
  return JSON.stringify([...read(before), ...read(after)]);
}

/** Whether the whole text is one text of JSON, as `toJSON` of a workflow writes it. */
function isJsonText(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "string";
  } catch {
    return false;
  }
}

const noPlaces: Places = { workingDirectory: "/", home: undefined };

function jsonWords(name: string, text: string): string[] {
  return jsonTexts(name, text).map((item) => item.trim());
}

/** The texts of a list in JSON, exactly: the name of a file may begin or end with a blank. */
function jsonTexts(name: string, text: string): string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Reported below.
  }
  const items: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  const isWord = (item: unknown) => typeof item === "string" && item.trim() !== "";
  if (items.every(isWord)) return items.map(String);
  throw refused(name, "begins like JSON, but is no list of texts", 'write ["one", "two"]');
}

/** Makes a path absolute: `~/` is the home directory, relative paths start at the working directory. */
export function absolute(path: string, places: Places): string {
  if (places.home !== undefined && (path === "~" || path.startsWith("~/"))) {
    return join(places.home, path.slice(1));
  }
  return isAbsolute(path) ? resolve(path) : resolve(places.workingDirectory, path);
}

/** Node tries for ever to make a directory there, and no signal ends that. */
function readPath(name: string, path: string): string {
  if (!/^\/proc\/(?!self\/fd\/)/.test(`${path}/`)) return path;
  throw refused(name, `is "${path}", where no files can be made`, "give another path");
}

function readSecret(name: string, text: string): string {
  const secret = text.replace(/\r?\n$/, "");
  if (/[\r\n]/.test(secret)) throw refused(name, "has more than one line", "give one line");
  return secret;
}

function readFlag(name: string, text: string): boolean {
  const word = text.trim().toLowerCase();
  if (word === "true" || word === "false") return word === "true";
  throw refused(name, `is "${text}"`, "write true or false");
}

function readChoice(name: string, choices: readonly string[], word: string): string {
  if (choices.includes(word)) return word;
  throw refused(name, `is "${word}"`, `write one of ${choices.join(", ")}`);
}

/** `none` is the empty list. */
function readChoices(name: string, choices: readonly string[], text: string): string[] {
  const chosen = [...new Set(words(name, text).map((word) => readChoice(name, choices, word)))];
  if (chosen.length > 1 && chosen.includes("none")) {
    throw refused(name, "has none beside others", "write none, or leave it out");
  }
  return chosen.filter((word) => word !== "none");
}

function readInteger(name: string, spec: InputSpec, word: string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec;
  const isWhole = /^-?\d+$/.test(word);
  const value = Number(word);
  if (isWhole && value >= min && value <= max) return value;
  const range = spec.max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  const wrong = isWhole ? `is "${word}", which is out of range` : `is "${word}"`;
  throw refused(name, wrong, `write a whole number ${range}`);
}

/** Parses `90s`, `10m`, `1h30m`, `2d` to milliseconds. A unit is required, except for `0`: `36` could mean seconds or hours. */
function readDurationMs(name: string, { longest = longestAge }: InputSpec, word: string): number {
  const milliseconds = millisecondsOf(word);
  const shown = word.length > 40 ? `${word.slice(0, 40)}...` : word;
  if (milliseconds === undefined) {
    const wrong = /^[\d.]+$/.test(word) ? `is "${shown}", without a unit` : `is "${shown}"`;
    throw refused(name, wrong, "write a duration such as 90s, 10m, 36h or 2d");
  }
  if (milliseconds <= (millisecondsOf(longest) ?? 0)) return Math.round(milliseconds);
  const wrong = `is "${shown}", which is out of range`;
  throw refused(name, wrong, `write a duration of at most ${longest}`);
}

function readUrl(name: string, word: string): string {
  if (URL.canParse(word) && /^https?:$/.test(new URL(word).protocol)) return word;
  const shown = withoutUserInfo(word);
  throw refused(name, `is "${shown}"`, "write a URL that starts with http:// or https://");
}

function readImages(name: string, text: string): Record<string, string> {
  const images = new Map<string, string>();
  for (const word of words(name, text)) {
    const [, service, reference] = /^([\w.-]+)\s*=\s*([\w./:@+-]+)$/.exec(word) ?? [];
    if (service === undefined || reference === undefined) {
      throw refused(
        name,
        `has "${word}"`,
        "write service=reference, such as web=example/web:1.3.0",
      );
    }
    if (images.has(service)) {
      throw refused(name, `names the service ${service} twice`, "keep one of the two");
    }
    images.set(service, reference);
  }
  return Object.fromEntries(images);
}

/** `service=reference` and further references of the same service. */
function readCandidates(name: string, text: string): Record<string, string[]> {
  const references: string[] = [];
  let of: string | undefined;
  for (const word of words(name, text)) {
    const [, service = of, reference] = /^(?:([\w.-]+)\s*=\s*)?([\w./:@+-]+)$/.exec(word) ?? [];
    if (service === undefined || reference === undefined) {
      const fix = "write service=reference, then further references of that service";
      throw refused(
        name,
        `has "${word}"`,
        `${fix}, such as web=example/web:1.3.0,example/web:1.4.0`,
      );
    }
    if (of !== undefined && service !== of) {
      const fix = "keep one of the two, and rehearse the other one by itself";
      throw refused(name, `names two services, ${of} and ${service}`, fix);
    }
    if (references.includes(reference)) {
      throw refused(name, `has ${reference} twice`, "keep one of the two");
    }
    of = service;
    references.push(reference);
  }
  return of === undefined ? {} : { [of]: references };
}

/** The key of {@link readModes} for everything that has no entry of its own. */
export const everyName = "*";

/** `mode` for all, and `name=mode` for one. A name may contain `=`. */
function readModes(name: string, choices: readonly string[], text: string): Record<string, string> {
  const modes = new Map<string, string>();
  for (const word of words(name, text)) {
    const at = word.lastIndexOf("=");
    const key = at < 0 ? everyName : word.slice(0, at).trim();
    const mode = word.slice(at + 1).trim();
    if (!choices.includes(mode) || key === "") {
      const fix = `write one of ${choices.join(", ")}, or name=mode, such as dbdata=${choices[1] ?? ""}`;
      throw refused(name, `has "${word}"`, fix);
    }
    if (modes.has(key)) {
      const what = key === everyName ? "the mode of all" : key;
      throw refused(name, `names ${what} twice`, "keep one of the two");
    }
    modes.set(key, mode);
  }
  return Object.fromEntries(modes);
}

function readPatterns(name: string, text: string): string[] {
  const patterns = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  for (const pattern of patterns) {
    try {
      new RegExp(pattern);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw refused(name, `has "${pattern}" (${why})`, "write a JavaScript regular expression");
    }
  }
  return patterns;
}

function readRecipients(name: string, text: string): string[] {
  const recipients = words(name, text).flatMap((word) => word.split(/\s+/));
  for (const recipient of recipients) {
    if (recipient.toUpperCase().startsWith("AGE-SECRET-KEY-")) {
      throw refused(name, "holds a secret key", "give its public half, which age-keygen -y prints");
    }
    if (isAgeKey(recipient, "age")) continue;
    const hint =
      "write age1... as age-keygen prints it (X25519; ssh keys and age1pq... are not supported)";
    throw refused(name, `has "${recipient}", which is not an age recipient`, hint);
  }
  return [...new Set(recipients)];
}

function readIdentities(name: string, text: string): string[] {
  const identities = words(name, text).flatMap((word) => word.split(/\s+/));
  const good = identities.every((identity) => isAgeKey(identity, "age-secret-key-"));
  // Do not repeat the text: it may be a mistyped secret.
  if (good && identities.length > 0) return [...new Set(identities)];
  throw refused(
    name,
    "holds no age identity, or one with a typing error",
    "give a key file as age-keygen makes it, or its AGE-SECRET-KEY-1... line",
  );
}

function readAddresses(name: string, text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const addresses = lines.filter((line) => line !== "" && !line.startsWith("#"));
  for (const address of addresses) {
    try {
      parseAddress(address);
    } catch (error) {
      // Do not repeat the address: it usually contains a secret.
      const fix = `write ${addressKinds.slice(1, 6).join("+https://, ")}+https://, https://, smtp://, smtps:// or sendmail:`;
      throw refused(name, error instanceof Error ? error.message : String(error), fix);
    }
  }
  return addresses;
}

function readSigners(name: string, text: string): string[] {
  try {
    return [...new Set(parsePublicKeys(text))];
  } catch (error) {
    const wrong = error instanceof Error ? error.message : String(error);
    throw refused(
      name,
      `is no list of keys (${wrong})`,
      "give ssh-ed25519 lines, or files with them",
    );
  }
}

function refused(name: string, wrong: string, fix: string): RefusedError {
  return new RefusedError(`${name} ${wrong}: ${fix}`, { class: "input" });
}
