import { RefusedError } from "../core/errors.ts";
import type { CommandName } from "./command-names.ts";
import type { RawInputs } from "./input-files.ts";
import { type InputName, inputSpec, inputs } from "./inputs.ts";
import type { InputKind } from "./spec.ts";
import { type Places, readValue, type Value } from "./values.ts";

type Inputs = typeof inputs;

/** `keep-last` → `keepLast`, a duration `soak` → `soakMs`. */
type Key<N extends InputName> = Inputs[N]["kind"] extends "duration" ? `${Camel<N>}Ms` : Camel<N>;
type Camel<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;

type Kinds = {
  text: string;
  path: string;
  url: string;
  secret: string;
  flag: boolean;
  integer: number;
  duration: number;
};
type ListKind = "paths" | "list" | "lines" | "recipients" | "identities";

/** Lists and flags are never `undefined`; other inputs are when they have no default and were left out. */
type ValueOf<S> = S extends { kind: ListKind }
  ? readonly string[]
  : S extends { kind: "images" }
    ? Readonly<Record<string, string>>
    : S extends { kind: "flag" }
      ? boolean
      : S extends { kind: "choice"; choices: readonly (infer C)[] }
        ? C | (S extends { default: string } ? never : undefined)
        : S extends { kind: keyof Kinds }
          ? Kinds[S["kind"]] | (S extends { default: string } ? never : undefined)
          : never;

/**
 * What a command is asked to do, checked: paths absolute, durations in milliseconds (`...Ms`), lists split,
 * keys well-formed. Derived from the table of inputs, so it cannot differ from help or README.
 */
export type Options = { readonly command: CommandName } & {
  readonly [N in InputName as Key<N>]: ValueOf<Inputs[N]>;
};

/**
 * The one validator, for both faces. Pure: files were read before (see {@link readReferences}).
 *
 * @param command - what to do
 * @param raw - what was typed, by input; an empty text counts as left out
 * @param places - where relative paths start
 * @throws RefusedError with one line that names the input, what is wrong and what to do.
 */
export function parseOptions(command: CommandName, raw: RawInputs, places: Places): Options {
  const project = raw["project-directory"]?.trim();
  const inProject =
    project === undefined || project === ""
      ? places
      : {
          ...places,
          workingDirectory: String(
            readValue("project-directory", inputSpec("project-directory"), project, places),
          ),
        };
  const values: Record<string, Value | undefined> = {};
  for (const name of Object.keys(inputs) as InputName[]) {
    const spec = inputSpec(name);
    const typed = raw[name];
    const text = typed === undefined || typed.trim() === "" ? spec.default : typed;
    const from = spec.inProject === true ? inProject : places;
    values[optionKey(name)] =
      text === undefined ? empty(spec.kind) : readValue(name, spec, text, from);
  }
  const options = { command, ...values } as Options;
  refuseContradictions(options);
  return options;
}

/** The member of {@link Options} that holds an input. */
function optionKey(name: InputName): string {
  const camel = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return inputSpec(name).kind === "duration" ? `${camel}Ms` : camel;
}

function empty(kind: InputKind): Value | undefined {
  if (kind === "flag") return false;
  if (kind === "images") return {};
  const lists: readonly InputKind[] = ["paths", "list", "lines", "recipients", "identities"];
  return lists.includes(kind) ? [] : undefined;
}

/** What single values cannot tell: inputs that exclude or need each other. */
function refuseContradictions(options: Options): void {
  const { command, recipients, passphrase, upload, artifactName, target, healthHeader } = options;
  const makes = command === "backup" || command === "upgrade-test";
  const encrypted = recipients.length > 0 || passphrase !== undefined;
  if (makes && recipients.length > 0 && passphrase !== undefined) {
    refuse("recipients and passphrase exclude each other", "give one of the two", "two-keys");
  }
  if (command === "backup" && upload === "artifact" && !encrypted) {
    const wrong = "upload is artifact, but nothing encrypts the backup";
    refuse(wrong, "give recipients (age1...) or a passphrase", "no-recipient");
  }
  if (
    artifactName !== undefined &&
    (/[":<>|*?\\/\r\n]/.test(artifactName) || artifactName === "")
  ) {
    const wrong = `artifact-name is "${artifactName}"`;
    refuse(wrong, 'write a name without " : < > | * ? \\ / and line breaks');
  }
  // Never ignored: who wants the upgrade to happen elsewhere must not get one on the live stack.
  if (command === "upgrade-test" && target !== "live") {
    refuse(`target is "${target}"`, "leave target out, an upgrade is always live");
  }
  if (command === "prune" && !hasKeepRule(options)) {
    refuse("prune has no keep rule", "give keep-last, keep-daily, keep-weekly or keep-monthly");
  }
  if (healthHeader !== undefined && !/^[\w!#$%&'*+.^`|~-]+:\s*\S/.test(healthHeader)) {
    refuse("health-header is not a header", "write Name: value");
  }
}

/** Whether the user asked for retention at all; without a rule nothing is ever removed. */
export function hasKeepRule(options: Options): boolean {
  const { keepLast, keepDaily, keepWeekly, keepMonthly } = options;
  return [keepLast, keepDaily, keepWeekly, keepMonthly].some((rule) => rule !== undefined);
}

function refuse(wrong: string, fix: string, errorClass = "input"): never {
  throw new RefusedError(`${wrong}: ${fix}`, { class: errorClass });
}
