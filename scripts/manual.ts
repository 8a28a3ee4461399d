import { exitMeanings, placeholderOf } from "../src/cli/help.ts";
import { offeredCommands } from "../src/operations/session/command.ts";
import { commandDescriptions } from "../src/options/command-names.ts";
import { inputsOf } from "../src/options/inputs.ts";
import { commands } from "../src/wiring/commands.ts";

/** The manual page `sophon-keeper.1`, from the same tables as the help. */
export function manualPage(version: string): string {
  const names = offeredCommands(commands);
  const flags = inputsOf(names).filter(([, spec]) => spec.face !== "action");
  const variables = flags.filter(([, { environment }]) => environment !== undefined);
  return `${[
    '.\\" Generated from src/options by npm run docs.',
    `.TH SOPHON\\-KEEPER 1 "" "Sophon Keeper ${version}" "User Commands"`,
    ".SH NAME",
    "sophon\\-keeper \\- back up, verify, restore and upgrade a Docker Compose stack",
    ".SH SYNOPSIS",
    ".B sophon\\-keeper",
    "\\fICOMMAND\\fR [\\fIFLAGS\\fR]",
    ".SH DESCRIPTION",
    "Sophon Keeper takes one restore point of a whole Compose stack while it runs, proves that it can be",
    "restored, puts the stack back, and upgrades it with a rollback of images and data.",
    ".SH COMMANDS",
    ...names.flatMap((name) => [
      ".TP",
      `.B ${roff(name)}`,
      roff(`${commandDescriptions[name].about}`),
    ]),
    ".SH OPTIONS",
    "Each command takes those that name it.",
    ...flags.flatMap(([name, spec]) => {
      const value = placeholderOf(spec);
      const users = names.filter((command) => spec.commands.includes(command));
      const standing = spec.default === undefined ? "" : ` Default: ${spec.default}.`;
      return [
        ".TP",
        `.BR \\-\\-${roff(name)}${value === "" ? "" : ` " \\fI${roff(value)}\\fR"`}`,
        roff(`${spec.aboutFlag ?? spec.about}${standing}`),
        ".br",
        roff(users.length === names.length ? "All commands." : `With ${users.join(", ")}.`),
      ];
    }),
    ".SH EXIT STATUS",
    ...Object.entries(exitMeanings).flatMap(([code, meaning]) => [
      ".TP",
      `.B ${code}`,
      roff(meaning),
    ]),
    ".SH ENVIRONMENT",
    ...variables.flatMap(([name, { environment = "" }]) => [
      ".TP",
      `.B ${roff(environment)}`,
      roff(`The value of --${name}, for secrets that must not stand on a command line.`),
    ]),
    ".SH SEE ALSO",
    ".BR age (1),",
    ".BR docker (1)",
  ].join("\n")}\n`;
}

/** Text that troff shows as it is. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\(rs")
    .replaceAll("-", "\\-")
    .replaceAll('"', "\\(dq")
    .replace(/^([.'])/, "\\&$1");
}
