import { RefusedError } from "../core/errors.ts";
import type { InputName } from "./inputs.ts";
import { inputSpec } from "./inputs.ts";
import { absolute, isJsonList, type Places, words } from "./values.ts";

/** What the user typed, by input name; omitted inputs are absent. */
export type RawInputs = Readonly<Partial<Record<InputName, string>>>;

/**
 * Replaces file references with the contents of the file: `@path` for secrets, for keys also a plain path. The validator
 * therefore needs no disk access.
 *
 * @throws RefusedError naming the input and the file that cannot be read.
 */
export async function readReferences(
  raw: RawInputs,
  places: Places,
  readText: (path: string) => Promise<string>,
): Promise<RawInputs> {
  const resolved: Partial<Record<InputName, string>> = { ...raw };
  for (const [name, text] of Object.entries(raw) as [InputName, string][]) {
    const { kind } = inputSpec(name);
    const read = (path: string) => readFile(name, path, places, readText);
    const isSecret = kind === "secret" || kind === "addresses";
    if (isSecret && text.startsWith("@")) resolved[name] = await read(text.slice(1));
    if (kind === "recipients" || kind === "identities") {
      const parts = words(name, text).flatMap((word) =>
        isKey(word) ? keysOf(name, text, word) : [word],
      );
      const texts = parts.map(async (part) => (isKey(part) ? part : read(part.replace(/^@/, ""))));
      resolved[name] = (await Promise.all(texts)).join("\n");
    }
    if (kind === "signers") {
      const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
      const texts = lines.map(async (line) =>
        line.includes("ssh-") ? line : read(line.trim().replace(/^@/, "")),
      );
      resolved[name] = (await Promise.all(texts)).join("\n");
    }
    if (text.trim() !== "" && resolved[name]?.trim() === "") refuseEmptyFile(name);
  }
  return resolved;
}

/** What an empty file was to demand would silently not be. Of the keys that encrypt, `parseOptions` reports it. */
function refuseEmptyFile(name: InputName): void {
  if (name === "recipients" || name === "passphrase") return;
  throw new RefusedError(
    `${name} given but empty: nothing is in its file, fill it or leave it out`,
    {
      class: "input",
    },
  );
}

/** The keys of one item. One of a JSON list is one key: what is pasted into it cannot add another. */
function keysOf(name: InputName, text: string, word: string): string[] {
  if (!isJsonList(text) || !/[\s,]/.test(word)) return word.split(/\s+/);
  // Do not repeat the text: it may be a secret.
  throw new RefusedError(`${name} has several keys in one item: write each item by itself`, {
    class: "input",
  });
}

/** Whether a word looks like a key. Such a word is never read as a path, so a mistyped key is reported as a key. */
export function isKey(word: string): boolean {
  return /^(age1|AGE-|ssh-)/i.test(word) && !/[/\\]|\.\w+$/.test(word.split(/\s/)[0] ?? "");
}

async function readFile(
  name: string,
  path: string,
  places: Places,
  readText: (path: string) => Promise<string>,
): Promise<string> {
  try {
    return await readText(absolute(path, places));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const kind = inputSpec(name as InputName).kind === "recipients" ? "an age recipient nor" : "";
    throw new RefusedError(
      kind === ""
        ? `${name}: the file cannot be read (${why}): give a readable file`
        : `${name} has "${path}", which is neither ${kind} a readable file (${why})`,
      { class: "input", cause },
    );
  }
}
