import { type ExitCode, exitCodes } from "../core/errors.ts";
import { type CommandName, commandDescriptions } from "../options/command-names.ts";
import { inputsOf } from "../options/inputs.ts";
import type { InputKind, InputSpec } from "../options/spec.ts";
import { wrap } from "./wrap.ts";

/** The meaning of each exit code (contract). docs/cli.md repeats it. */
export const exitMeanings: Readonly<Record<ExitCode, string>> = {
  [exitCodes.done]: "done",
  [exitCodes.bug]: "a bug; please report it with the stack trace",
  [exitCodes.refused]: "bad input, configuration or host; nothing was changed",
  [exitCodes.backupFailed]:
    "the backup failed and none was stored, or it was stored and its upload failed",
  [exitCodes.damaged]:
    "the backup is damaged, cannot be restored or is too old; or the log shows a failed start",
  [exitCodes.unverifiable]: "could not verify or decide",
  [exitCodes.rolledBack]:
    "the upgrade or restore failed; the previous state was restored and checked",
  [exitCodes.needsPerson]:
    "the rollback failed; a person must act, and the output lists what to do",
  [exitCodes.locked]: "another operation holds the lock",
  [exitCodes.cancelled]:
    "cancelled by a signal; the previous state was restored, or the output names recover",
};

/** The placeholder for a value of each kind in the help. */
const placeholders: Readonly<Record<InputKind, string>> = {
  text: "TEXT",
  path: "PATH",
  paths: "PATH,...",
  list: "NAME,...",
  lines: "REGEX",
  flag: "",
  choice: "",
  choices: "",
  integer: "N",
  duration: "TIME",
  url: "URL",
  images: "SERVICE=IMAGE",
  modes: "MODE|NAME=MODE",
  recipients: "AGE1...|@PATH",
  identities: "PATH",
  signers: "PATH|SSH-ED25519 ...",
  secret: "@PATH",
  addresses: "@PATH",
  items: "PATH",
};

/** The help of the whole program. */
export function programHelp(offered: readonly CommandName[]): string {
  const list = offered.map((name) => `  ${name.padEnd(14)}${commandDescriptions[name].summary}`);
  return [
    "Sophon Keeper backs up, verifies, restores and upgrades a Sophon stack.",
    "",
    "USAGE",
    "  sophon-keeper COMMAND [FLAGS]",
    "",
    "COMMANDS",
    ...list,
    "",
    "FLAGS OF EVERY COMMAND",
    "  -h, --help      show this help, or the help of a command",
    "  -V, --version   show the version",
    "  --json          print one JSON object on standard output, for errors too",
    "",
    ...exitStatus([...new Set(offered.flatMap((name) => commandDescriptions[name].exits))]),
    "",
  ].join("\n");
}

/** The help of one command: what it does, its flags, its exit codes. */
export function commandHelp(command: CommandName): string {
  const description = commandDescriptions[command];
  const flags = inputsOf([command]).filter(([, spec]) => spec.face !== "action");
  return [
    `sophon-keeper ${command}: ${description.summary}`,
    "",
    ...wrap(description.about, 0),
    "",
    "USAGE",
    `  sophon-keeper ${command} [FLAGS]${command === "scan-log" ? " < LOG" : ""}`,
    "",
    "FLAGS",
    ...flags.flatMap(([name, spec]) => [
      `  --${name} ${placeholderOf(ofCommandLine(spec))}`.trimEnd(),
      ...about(spec),
    ]),
    "  -h, --help",
    "      Show this help.",
    "",
    ...exitStatus(description.exits),
    "",
  ].join("\n");
}

/** The values of an input in short form: `live|stopped`, `TIME`. */
export function placeholderOf(spec: InputSpec): string {
  return spec.choices?.join(spec.kind === "choices" ? "," : "|") ?? placeholders[spec.kind];
}

/** Without the choices that only a step of the action has. */
function ofCommandLine(spec: InputSpec): InputSpec {
  const { choices, actionChoices = [] } = spec;
  if (choices === undefined) return spec;
  return { ...spec, choices: choices.filter((choice) => !actionChoices.includes(choice)) };
}

function about(spec: InputSpec): string[] {
  const standing = spec.default === undefined ? "" : ` Default: ${spec.default}.`;
  const variable = spec.environment === undefined ? "" : ` Or the variable ${spec.environment}.`;
  return wrap(`${spec.aboutFlag ?? spec.about}${standing}${variable}`, 6);
}

function exitStatus(exits: readonly ExitCode[]): string[] {
  const always: readonly ExitCode[] = [0, 1, 2, 130];
  const codes = [...new Set([...always, ...exits])].sort((a, b) => a - b);
  const lines = codes.flatMap((code) => {
    const [first = "", ...rest] = wrap(exitMeanings[code], 8);
    return [`  ${String(code).padStart(3)}${first.slice(5)}`, ...rest];
  });
  return ["EXIT STATUS", ...lines];
}
