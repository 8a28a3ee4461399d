import { RefusedError } from "../core/errors.ts";
import { passwordsIn, withoutUserInfo } from "../core/secrets.ts";
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
type ListKind =
  | "signers"
  | "paths"
  | "list"
  | "lines"
  | "recipients"
  | "identities"
  | "addresses"
  | "items";

/** Lists and flags are never `undefined`. Other inputs are `undefined` if they have no default and were omitted. */
type ValueOf<S> = S extends { kind: ListKind }
  ? readonly string[]
  : S extends { kind: "images" | "modes" }
    ? Readonly<Record<string, string>>
    : S extends { kind: "candidates" }
      ? Readonly<Record<string, readonly string[]>>
      : S extends { kind: "flag" }
        ? boolean
        : S extends { kind: "choices"; choices: readonly (infer C)[] }
          ? readonly Exclude<C, "none">[]
          : S extends { kind: "choice"; choices: readonly (infer C)[] }
            ? C | (S extends { default: string } ? never : undefined)
            : S extends { kind: keyof Kinds }
              ? Kinds[S["kind"]] | (S extends { default: string } ? never : undefined)
              : never;

/**
 * The validated options of a command: paths are absolute, durations are in milliseconds (`...Ms`), lists are split, keys
 * are well-formed. Derived from the table of inputs, so the type always matches help and README.
 */
export type Options = {
  readonly command: CommandName;
  /** The inputs that were typed, and are not defaults. */
  readonly given: readonly InputName[];
} & {
  readonly [N in InputName as Key<N>]: ValueOf<Inputs[N]>;
};

/**
 * Validates the inputs of the command line and of the action. Pure: {@link readReferences} has already read the files.
 *
 * @param command - the command to run
 * @param raw - what the user typed, by input name; an empty text counts as omitted
 * @param places - the directories that relative paths are resolved against
 * @param face - a workflow cannot tell an input that is empty from an omitted one, and nobody reads its warnings: there
 * encryption is required
 * @throws RefusedError with one line: the input, what is wrong, and what to do.
 */
export function parseOptions(
  command: CommandName,
  raw: RawInputs,
  places: Places,
  face: "action" | "cli" = "cli",
): Options {
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
  const hollow: InputName[] = [];
  for (const name of Object.keys(inputs) as InputName[]) {
    const spec = inputSpec(name);
    const typed = raw[name];
    const isOmitted = typed === undefined || typed.trim() === "";
    const text = isOmitted ? defaultOf(name, command, raw) : typed;
    const from = spec.inProject === true ? inProject : places;
    const value = text === undefined ? empty(spec.kind) : readValue(name, spec, text, from);
    values[optionKey(name)] = value;
    if (!isOmitted && isHollow(name, typed, value)) hollow.push(name);
  }
  const given = (Object.keys(raw) as InputName[]).filter((name) => raw[name]?.trim() !== "");
  const options = { command, given, ...values } as unknown as Options;
  refuseContradictions(options);
  requireEncryption(options, raw, face);
  for (const name of hollow) refuse(`${name} given but empty`, "name something, or leave it out");
  return options;
}

/**
 * Whether a list was given and names nothing, as `,` or a file with nothing but comments: what it was to limit or to demand
 * would silently not be. `[]` says it expressly, but for `only` it would choose everything.
 */
function isHollow(name: InputName, typed: string, value: Value | undefined): boolean {
  if (typeof value !== "object" || Object.keys(value).length > 0) return false;
  const text = typed.trim();
  return name === "only" || (text !== "[]" && text !== "none");
}

/** A rehearsal keeps nobody waiting, and an old backup says little about the data of today. */
const rehearsalDefaults: Partial<Record<InputName, string>> = { soak: "30s", "max-age": "7d" };

function defaultOf(name: InputName, command: CommandName, raw: RawInputs): string | undefined {
  const isRehearsal = command === "upgrade-test" && raw.target?.trim() === "rehearsal";
  return (isRehearsal ? rehearsalDefaults[name] : undefined) ?? inputSpec(name).default;
}

/** The member of {@link Options} that holds an input. */
export function optionKey(name: InputName): string {
  const camel = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return inputSpec(name).kind === "duration" ? `${camel}Ms` : camel;
}

function empty(kind: InputKind): Value | undefined {
  if (kind === "flag") return false;
  if (kind === "images" || kind === "modes" || kind === "candidates") return {};
  const lists: readonly InputKind[] = [
    ...([
      "paths",
      "list",
      "lines",
      "recipients",
      "identities",
      "signers",
      "addresses",
      "items",
      "choices",
    ] as const),
  ];
  return lists.includes(kind) ? [] : undefined;
}

/** Checks inputs against each other: some exclude one another, some need one another. */
function refuseContradictions(options: Options): void {
  const { command, recipients, passphrase, upload, artifactName, healthHeader } = options;
  refuseUpload(options);
  const makes = command === "backup" || command === "upgrade-test";
  const encrypted = recipients.length > 0 || passphrase !== undefined;
  if (makes && recipients.length > 0 && passphrase !== undefined) {
    refuse("recipients and passphrase exclude each other", "give one of the two", "two-keys");
  }
  if (command === "backup" && upload.length > 0 && !encrypted) {
    const wrong = `upload is ${upload.join(",")}, but nothing encrypts the backup`;
    refuse(wrong, "give recipients (age1...) or a passphrase", "no-recipient");
  }
  if (command === "backup" && upload.includes("cache") && passphrase !== undefined) {
    // Whoever opens a pull request may read it, and could try passphrases for as long as they like.
    const wrong = "upload is cache, which every pull request may read, but a passphrase is given";
    refuse(wrong, "give recipients (age1...) instead", "no-recipient");
  }
  if (
    artifactName !== undefined &&
    (/[":<>|*?\\/\r\n]/.test(artifactName) || artifactName === "")
  ) {
    const wrong = `artifact-name is "${artifactName}"`;
    refuse(wrong, 'write a name without " : < > | * ? \\ / and line breaks');
  }
  const { artifactRun, backup, projectName } = options;
  if (projectName !== undefined && !/^[a-z0-9][a-z0-9_-]*$/.test(projectName)) {
    // Paths and names of containers are made from it.
    const wrong = `project-name is "${projectName.slice(0, 40)}"`;
    refuse(wrong, "write lower-case letters, digits, - and _, as Compose demands");
  }
  if (artifactRun !== undefined && !/^(latest|[1-9]\d{0,15})$/.test(artifactRun)) {
    refuse(`artifact-run is "${artifactRun.slice(0, 40)}"`, "write the id of a run, or latest");
  }
  if (artifactRun !== undefined && backup !== "artifact") {
    refuse("artifact-run is given, but backup is not artifact", "write backup: artifact");
  }
  if (command === "upgrade-test") refuseTarget(options);
  if (command === "prune" && !hasKeepRule(options) && !hasRemoteRule(options)) {
    refuse("prune has no keep rule", "give keep-last, keep-daily, keep-weekly or keep-monthly");
  }
  const single = upload.find((name) => name === "artifact" || name === "cache");
  if (makes && options.incremental && single !== undefined) {
    const wrong = `incremental and upload: ${single} exclude each other, because it holds one backup`;
    refuse(wrong, "upload to a bucket (s3, rclone), or leave incremental out");
  }
  if (makes && options.full && !options.incremental) {
    refuse(
      "full is only for incremental backups",
      "leave it out, every other backup is a full one",
    );
  }
  const odd = options.notifyOn.find((word) => !["failure", "recovery", "success"].includes(word));
  if (odd !== undefined) {
    refuse(`notify-on has "${odd}"`, "write failure, recovery or success");
  }
  if (options.metricsPath !== undefined && !options.metricsPath.endsWith(".prom")) {
    const fix = "write a name that ends with .prom, the collector reads no other";
    refuse(`metrics-path is ${options.metricsPath}`, fix);
  }
  if (healthHeader !== undefined && !/^[\w!#$%&'*+.^`|~-]+:\s*\S/.test(healthHeader)) {
    refuse("health-header is not a header", "write Name: value");
  }
}

const schemes: readonly [destination: "s3" | "rclone", address: RegExp, form: string][] = [
  ["s3", /^s3:\/\//, "s3://BUCKET/PREFIX"],
  ["rclone", /^rclone:/, "rclone:REMOTE:PATH"],
];

/** Checks where to upload, and for how long. */
function refuseUpload(options: Options): void {
  const { command, upload, uploadTo, uploadEndpoint, uploadLock, uploadLockDays } = options;
  if (command === "upload" && upload.length === 0 && uploadTo === undefined) {
    refuse("upload has no destination", "give upload-to, such as s3://BUCKET/PREFIX");
  }
  for (const [name, address, form] of schemes) {
    if (upload.includes(name) && !address.test(uploadTo ?? "")) {
      refuse(`upload is ${name}, but upload-to names no place for it`, `give upload-to ${form}`);
    }
  }
  if (uploadTo !== undefined && !schemes.some(([, address]) => address.test(uploadTo))) {
    const forms = schemes.map(([, , form]) => form).join(" or ");
    refuse(`upload-to is "${withoutUserInfo(uploadTo)}"`, `write ${forms}`);
  }
  if (uploadEndpoint !== undefined && passwordsIn(uploadEndpoint).length > 0) {
    const hint = "leave it out: credentials are found as by every AWS tool";
    refuse("upload-endpoint holds a password", hint);
  }
  if (command === "backup" && uploadTo !== undefined && upload.length === 0) {
    refuse("upload-to is given, but upload is none", "write upload: s3");
  }
  if (hasRemoteRule(options) && uploadTo === undefined) {
    refuse("a remote-keep rule is given, but upload-to names no place", "give upload-to");
  }
  if (uploadLock !== undefined && !/^s3:/.test(uploadTo ?? "")) {
    refuse("upload-lock needs a bucket that locks", "give upload-to s3://BUCKET/PREFIX");
  }
  if ((uploadLock === undefined) !== (uploadLockDays === undefined)) {
    refuse("upload-lock and upload-lock-days belong together", "give both or none");
  }
}

/** Do not ignore it: a user who asks for another target must not get an upgrade of the live stack. */
function refuseTarget(options: Options): void {
  const { target, newFiles, maxAgeMs, dryRun, requireRehearsalMs, candidates, images } = options;
  if (target !== "live" && target !== "rehearsal") {
    refuse(`target is "${target}"`, "write live or rehearsal");
  }
  if (target === "live" && newFiles.length > 0) {
    refuse("new-files is only for a rehearsal", "set target to rehearsal, or leave new-files out");
  }
  if (target === "live" && maxAgeMs !== undefined) {
    refuse("max-age is only for a rehearsal", "set target to rehearsal, or leave max-age out");
  }
  const ofRehearsals = ["reuse-rehearsal", "clone-memory", "candidates"] as const;
  const odd = ofRehearsals.find((name) => options.given.includes(name));
  if (target === "live" && odd !== undefined) {
    refuse(`${odd} is only for a rehearsal`, `set target to rehearsal, or leave ${odd} out`);
  }
  const twice = Object.keys(candidates).find((service) => service in images);
  if (twice !== undefined) {
    refuse(`candidates and images both name ${twice}`, "give its references in one of the two");
  }
  if (Object.keys(candidates).length > 0 && newFiles.length > 0) {
    const fix = "leave new-files out, candidates are tried on the definition of the backup";
    refuse("candidates and new-files exclude each other", fix);
  }
  if (target === "rehearsal" && requireRehearsalMs !== undefined) {
    refuse("require-rehearsal is only for target: live", "leave it out of the rehearsal itself");
  }
  if (target === "rehearsal" && dryRun) {
    refuse("dry-run is not for a rehearsal", "leave dry-run out, a rehearsal changes nothing");
  }
}

/**
 * Refuses a backup that would not be encrypted although somebody meant it to be: a variable that is not set, or a file
 * without a key, gives an empty input.
 */
function requireEncryption(options: Options, raw: RawInputs, face: "action" | "cli"): void {
  const { command, recipients, passphrase, unencrypted, target, backup } = options;
  const rehearses = command === "upgrade-test" && target === "rehearsal" && backup !== "fresh";
  if ((command !== "backup" && command !== "upgrade-test") || rehearses) return;
  const encrypted = recipients.length > 0 || passphrase !== undefined;
  if (encrypted && unencrypted) {
    const given = passphrase === undefined ? "recipients" : "passphrase";
    refuse(`unencrypted and ${given} exclude each other`, "give one of the two", "two-keys");
  }
  if (encrypted || unencrypted) return;
  const empty = (["recipients", "passphrase"] as const).filter((name) => raw[name] !== undefined);
  if (face === "cli" && empty.length === 0) return;
  const wrong =
    empty.length === 0
      ? "nothing encrypts the backup: recipients and passphrase are missing or empty"
      : `${empty.join(" and ")} given but empty: nothing encrypts the backup`;
  refuse(
    wrong,
    "give recipients (age1...) or a passphrase, or set unencrypted: true",
    "no-recipient",
  );
}

/**
 * Whether a rehearsal may make a backup of the live stack: it is asked to, or the latest one may be too old and the inputs
 * say how a new one is encrypted.
 */
export function mayBackUp({ backup, recipients, passphrase, unencrypted }: Options): boolean {
  const isSettled = recipients.length > 0 || passphrase !== undefined || unencrypted;
  return backup === "fresh" || (backup === "latest" && isSettled);
}

/** Whether any retention rule was given. Without one, no backup is ever removed. */
export function hasKeepRule(options: Options): boolean {
  const { keepLast, keepDaily, keepWeekly, keepMonthly } = options;
  return [keepLast, keepDaily, keepWeekly, keepMonthly].some((rule) => rule !== undefined);
}

/** Whether any retention rule for the copies off this host was given. */
export function hasRemoteRule(options: Options): boolean {
  const { remoteKeepLast, remoteKeepDaily, remoteKeepWeekly, remoteKeepMonthly } = options;
  const rules = [remoteKeepLast, remoteKeepDaily, remoteKeepWeekly, remoteKeepMonthly];
  return rules.some((rule) => rule !== undefined);
}

function refuse(wrong: string, fix: string, errorClass = "input"): never {
  throw new RefusedError(`${wrong}: ${fix}`, { class: errorClass });
}
