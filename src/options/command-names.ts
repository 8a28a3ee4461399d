import type { ExitCode } from "../core/errors.ts";

/** Every command of the command line (contract); each is also a `mode` of the action. */
export const commandNames = [
  "backup",
  "verify",
  "restore",
  "upgrade-test",
  "recover",
  "list",
  "prune",
  "scan-log",
] as const;

/** One of {@link commandNames}. */
export type CommandName = (typeof commandNames)[number];

/** What is told of a command. Which commands a build offers is the command table's to say. */
interface CommandDescription {
  /** One line for the list of commands. */
  readonly summary: string;
  /** A paragraph for its own help. */
  readonly about: string;
  /** The exit codes it can end with, beside 0, 1, 2 and 130. */
  readonly exits: readonly ExitCode[];
  /** Whether it changes the running stack or its data: such a mode never runs for a pull request of a fork. */
  readonly live: boolean;
}

/** The descriptions that help, README and action.yml are made from. */
export const commandDescriptions: Readonly<Record<CommandName, CommandDescription>> = {
  backup: {
    summary: "take one restore point of the whole stack while it serves",
    about:
      "Copies every store of the stack, each consistent in itself, compressed, encrypted and checksummed, into the repository of this host; reads back what it wrote; then removes backups that no retention rule keeps.",
    exits: [3, 8],
    live: true,
  },
  verify: {
    summary: "prove that a backup restores",
    about:
      "Looks at a backup at one of three levels, each including the one before: checksum (every file against the manifest), contents (decrypted and read to the last byte), restore (brought up in an isolated scratch project and compared).",
    exits: [4, 5],
    live: false,
  },
  restore: {
    summary: "put the stack back from a backup",
    about:
      "Verifies the backup before anything is touched, sets the current state aside, restores every store, starts the stack and checks it. What fails puts the state that was set aside back.",
    exits: [4, 5, 6, 7, 8],
    live: true,
  },
  "upgrade-test": {
    summary: "upgrade to new images, and put images and data back if anything is wrong",
    about:
      "Pulls new images, applies them, watches health and migration logs, and puts images and data back when they are not good.",
    exits: [3, 4, 5, 6, 7, 8],
    live: true,
  },
  recover: {
    summary: "finish or undo what an interrupted run left behind",
    about:
      "Reads the journal of an operation whose owner is dead and finishes or undoes it. With nothing to do the result is unchanged.",
    exits: [6, 7, 8],
    live: true,
  },
  list: {
    summary: "list the backups of this host",
    about:
      "Lists the complete backups of the repository, the newest first, with what is proven of each.",
    exits: [],
    live: false,
  },
  prune: {
    summary: "remove backups that no retention rule keeps",
    about:
      "Counts only backups that are marked at the retain level or above, never removes the last good one, and with --dry-run only says what it would remove.",
    exits: [8],
    live: true,
  },
  "scan-log": {
    summary: "judge a log for failed migrations and failed starts",
    about:
      "Reads a log on standard input (the output of docker compose logs, of the .NET console, Serilog, NLog or JSON) and judges its last start.",
    exits: [4, 5],
    live: false,
  },
};
