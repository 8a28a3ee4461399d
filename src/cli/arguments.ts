import { parseArgs } from "node:util";
import { RefusedError } from "../core/errors.ts";
import { type CommandName, commandNames } from "../options/command-names.ts";
import { isKey, type RawInputs } from "../options/input-files.ts";
import { type InputName, inputSpec, inputsOf, isInputName } from "../options/inputs.ts";
import { otherNames } from "../options/names.ts";
import { nearest } from "../options/suggest.ts";
import { joinLists } from "../options/values.ts";

/** The parsed command line. */
export type Request =
  | { readonly kind: "help"; readonly command: CommandName | undefined }
  | { readonly kind: "version" }
  | {
      readonly kind: "run";
      readonly command: CommandName;
      readonly raw: RawInputs;
      /** Flags that this command does not use. */
      readonly idle: readonly InputName[];
    };

const numeric = ["integer", "duration"];
const multiple = [
  "paths",
  "list",
  "lines",
  "images",
  "candidates",
  "modes",
  "recipients",
  "identities",
  "items",
  "choices",
];

/**
 * Parses the arguments after the program's name. A flag that takes several values may be repeated.
 *
 * @param offered - the commands of this build
 * @throws RefusedError for an unknown command or flag (with a suggestion), a missing value, a flag given twice, an
 * unexpected word, or a secret.
 */
export function parseArguments(argv: readonly string[], offered: readonly CommandName[]): Request {
  const known = inputsOf(offered).filter(([, spec]) => spec.face !== "action");
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      help: { type: "boolean", short: "h" },
      version: { type: "boolean", short: "V" },
      ...Object.fromEntries(
        known.map(([name, spec]) => [name, { type: spec.kind === "flag" ? "boolean" : "string" }]),
      ),
    },
  });
  refuseKeys(tokens);
  const flags = tokens.filter((token) => token.kind === "option");
  const words = tokens.filter((token) => token.kind === "positional").map((token) => token.value);
  const asksHelp = words[0] === "help" || flags.some((flag) => flag.name === "help");
  if (words[0] === "help") words.shift();
  const command = words.shift();
  if (asksHelp) {
    return { kind: "help", command: command === undefined ? undefined : offer(command, offered) };
  }
  if (flags.some((flag) => flag.name === "version")) return { kind: "version" };
  if (command === undefined) {
    const first = "the first time: sophon-keeper init; to look before: sophon-keeper doctor";
    throw refused("no command given", `give one of ${offered.join(", ")}, or --help (${first})`);
  }
  const chosen = offer(command, offered);
  const raw: Partial<Record<InputName, string>> = {};
  for (const flag of flags)
    addFlag(
      raw,
      flag,
      known.map(([name]) => name),
    );
  if (words[0] !== undefined) {
    const fix =
      chosen === "scan-log"
        ? "it reads standard input, as in scan-log < FILE"
        : `${chosen} takes flags only, see --help`;
    throw refused(`unexpected word "${words[0]}"`, fix);
  }
  const idle = (Object.keys(raw) as InputName[]).filter(
    (name) => !inputSpec(name).commands.includes(chosen),
  );
  return { kind: "run", command: chosen, raw, idle };
}

type Flag = {
  readonly rawName: string;
  readonly name: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
};

function addFlag(
  raw: Partial<Record<InputName, string>>,
  flag: Flag,
  known: readonly InputName[],
): void {
  const { name, rawName, value } = flag;
  if (!isInputName(name) || !known.includes(name)) throw unknownFlag(name, rawName, known);
  const { kind } = inputSpec(name);
  // `-1` is a number, which the validator reports as out of range; `-x` is the next flag.
  const isNumber = numeric.includes(kind) && /^-[\d.]/.test(value ?? "");
  const swallowed = flag.inlineValue !== true && value?.startsWith("-") === true && !isNumber;
  if (kind !== "flag" && (value === undefined || value.trim() === "" || swallowed)) {
    throw refused(`${rawName} has no value`, `write ${rawName} VALUE or ${rawName}=VALUE`);
  }
  if (
    (kind === "secret" || kind === "addresses") &&
    value !== undefined &&
    !value.startsWith("@")
  ) {
    throw exposed(rawName, `set ${inputSpec(name).environment}, or write ${rawName} @FILE`);
  }
  if (kind === "url" && /^\w+:\/\/[^/?#]*@/.test(value ?? "")) {
    const fix =
      name === "health-url"
        ? "give it as a header, with --health-header @FILE"
        : "leave it out, because credentials are found as by every AWS tool";
    throw exposed(`the password in ${rawName}`, fix);
  }
  const before = raw[name];
  if (before !== undefined && !multiple.includes(kind)) {
    throw refused(`${rawName} is given twice`, "keep one of the two");
  }
  raw[name] = before === undefined ? (value ?? "true") : joinLists(name, kind, before, value ?? "");
}

/** Refuses a secret key anywhere on the command line: in a list, after any flag, or as a separate word. */
function refuseKeys(
  tokens: readonly { readonly kind: string; readonly rawName?: string; readonly value?: unknown }[],
): void {
  for (const { kind, rawName = "", value } of tokens) {
    const words = typeof value === "string" ? value.split(/[\s,=@]+/) : [];
    if (!words.some((word) => isKey(word) && /^age-/i.test(word))) continue;
    const { environment } = inputSpec("identity");
    const what = kind === "option" ? `the secret key in ${rawName}` : "a secret key";
    throw exposed(what, `set ${environment}, or write --identity FILE`);
  }
}

/** The refusal of a secret on the command line. It does not repeat the secret. */
function exposed(what: string, fix: string): RefusedError {
  return refused(`${what} on the command line can be read by every user of this host`, fix);
}

function unknownFlag(name: string, rawName: string, known: readonly InputName[]): RefusedError {
  if (isInputName(name) && inputSpec(name).face === "action") {
    return refused(`${rawName} is an input of the action`, "leave it out outside of a workflow");
  }
  const other = otherNames[name];
  if (other !== undefined) return refused(`unknown flag ${rawName}`, `it is called --${other}`);
  const near = nearest(name, [...known, "help", "version"]);
  const fix = near === undefined ? "see --help" : `did you mean --${near}?`;
  return refused(`unknown flag ${rawName}`, fix);
}

function offer(word: string, offered: readonly CommandName[]): CommandName {
  const found = offered.find((name) => name === word);
  if (found !== undefined) return found;
  if ((commandNames as readonly string[]).includes(word)) {
    throw refused(`${word} is not part of this version`, `it offers ${offered.join(", ")}`);
  }
  const near = nearest(word, offered);
  const fix = near === undefined ? `give one of ${offered.join(", ")}` : `did you mean ${near}?`;
  throw refused(`unknown command "${word}"`, fix);
}

function refused(wrong: string, fix: string): RefusedError {
  return new RefusedError(`${wrong}: ${fix}`, { class: "usage" });
}
