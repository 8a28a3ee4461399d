import { type ExitCode, exitCodes } from "../core/errors.ts";
import { type CommandName, commandDescriptions } from "../options/command-names.ts";
import { type InputName, inputsOf } from "../options/inputs.ts";
import { outputInputs } from "../options/inputs-output.ts";
import { stackInputs } from "../options/inputs-stack.ts";
import { uploadInputs } from "../options/inputs-upload.ts";
import type { InputKind, InputSpec } from "../options/spec.ts";
import { widest, wrap } from "./wrap.ts";

/** The meaning of each exit code (contract). docs/cli.md repeats it. */
export const exitMeanings: Readonly<Record<ExitCode, string>> = {
  [exitCodes.done]: "done",
  [exitCodes.bug]: "a bug; please report it with the stack trace",
  [exitCodes.refused]: "bad input, configuration or host; nothing was changed",
  [exitCodes.backupFailed]:
    "no backup was stored; or it is stored on this host, but its upload failed",
  [exitCodes.damaged]:
    "the backup is damaged, cannot be restored or is too old; or the log shows a failed start",
  [exitCodes.unverifiable]: "could not verify or decide",
  [exitCodes.rolledBack]:
    "the upgrade or restore failed; the previous state was restored and checked",
  [exitCodes.needsPerson]:
    "the rollback failed; a person must act, and the output lists what to do",
  [exitCodes.locked]: "another operation holds the lock",
  [exitCodes.cancelled]: "cancelled: the stack is as before, or the output says to run recover",
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
  candidates: "SERVICE=IMAGE,...",
  modes: "MODE|NAME=MODE",
  recipients: "AGE1...|@PATH",
  identities: "PATH",
  signers: "PATH|SSH-ED25519 ...",
  secret: "@PATH",
  addresses: "@PATH",
  items: "PATH",
};

/** What people come for, then what they do once, then what helps them. */
const groups: readonly (readonly [title: string, commands: readonly CommandName[]])[] = [
  ["EVERY NIGHT", ["backup", "verify", "list", "report", "prune", "upload"]],
  ["WHEN SOMETHING IS LOST", ["restore", "undo", "ls", "find", "diff", "recover"]],
  ["NEW VERSIONS", ["upgrade-test", "scan-log"]],
  ["THE FIRST TIME", ["init", "doctor"]],
];

/** The help of the whole program. @param width - columns of the terminal */
export function programHelp(offered: readonly CommandName[], width = widest): string {
  const known = groups.flatMap(([, names]) => names);
  const others = offered.filter((name) => !known.includes(name));
  const listed = [...groups, ["MORE", others] as const].flatMap(([title, names]) => {
    const lines = names
      .filter((name) => offered.includes(name))
      .flatMap((name) => {
        const told = wrap(commandDescriptions[name].summary, 16, width);
        return [`  ${name.padEnd(14)}${told[0]?.slice(16) ?? ""}`, ...told.slice(1)];
      });
    return lines.length === 0 ? [] : [title, ...lines, ""];
  });
  return [
    ...wrap("Sophon Keeper backs up, verifies, restores and upgrades a Sophon stack.", 0, width),
    "",
    "USAGE",
    "  sophon-keeper COMMAND [FLAGS]",
    "  sophon-keeper COMMAND --help",
    "",
    ...listed,
    "FLAGS OF EVERY COMMAND",
    "  -h, --help      show this help, or the help of a command",
    "  -V, --version   show the version",
    "  --json          print one JSON object on standard output, for errors too",
    "",
    ...exitStatus([...new Set(offered.flatMap((name) => commandDescriptions[name].exits))], width),
    "",
  ].join("\n");
}

/** The help of one command: what it does, an example, its flags, its exit codes. @param width - columns of the terminal */
export function commandHelp(command: CommandName, { width = widest } = {}): string {
  const description = commandDescriptions[command];
  const flags = inputsOf([command]).filter(([, spec]) => spec.face !== "action");
  const sections = flagGroups(flags.map(([name]) => name)).flatMap(([title, names]) => [
    title,
    ...flags
      .filter(([name]) => names.includes(name))
      .flatMap(([name, spec]) => [
        `  --${name} ${placeholderOf(ofCommandLine(spec))}`.trimEnd(),
        ...about(spec, width),
      ]),
    "",
  ]);
  return [
    ...wrap(`sophon-keeper ${command}: ${description.summary}`, 0, width),
    "",
    ...wrap(description.about, 0, width),
    "",
    "USAGE",
    `  sophon-keeper ${command} [FLAGS]${command === "scan-log" ? " < LOG" : ""}`,
    "",
    "EXAMPLE",
    `  ${description.example}`,
    "",
    ...sections,
    ...exitStatus(description.exits, width),
    "",
  ].join("\n");
}

/** The first flags that a command is given, which are of no group below. */
const always: readonly InputName[] = ["project-directory", "repository", "config", "stack"];

/** What the command is about first; what is found without flags last. */
function flagGroups(
  names: readonly InputName[],
): readonly (readonly [title: string, names: readonly InputName[]])[] {
  const within = (table: object) =>
    names.filter((name) => Object.hasOwn(table, name) && !always.includes(name));
  const [told, sent, found] = [within(outputInputs), within(uploadInputs), within(stackInputs)];
  const own = names.filter((name) => ![...told, ...sent, ...found].includes(name));
  const all = [
    ["FLAGS", own],
    ["OFF THIS HOST", sent],
    ["REPORTS AND MESSAGES", told],
    ["WHERE THE STACK IS, IF IT IS NOT FOUND", found],
  ] as const;
  return all.filter(([, some]) => some.length > 0);
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

function about(spec: InputSpec, width: number): string[] {
  const standing = spec.default === undefined ? "" : ` Default: ${spec.default}.`;
  const variable = spec.environment === undefined ? "" : ` Or the variable ${spec.environment}.`;
  return wrap(`${spec.aboutFlag ?? spec.about}${standing}${variable}`, 6, width);
}

function exitStatus(exits: readonly ExitCode[], width: number): string[] {
  const common: readonly ExitCode[] = [0, 1, 2, 130];
  const codes = [...new Set([...common, ...exits])].sort((a, b) => a - b);
  const lines = codes.flatMap((code) => {
    const [first = "", ...rest] = wrap(exitMeanings[code], 8, width);
    return [`  ${String(code).padStart(3)}${first.slice(5)}`, ...rest];
  });
  return ["EXIT STATUS", ...lines];
}
