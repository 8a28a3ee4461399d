import type { ExitCode } from "../core/errors.ts";

/** Every command of the command line (contract). All but `init`, `scan-log`, `ls`, `find`, `diff` and `doctor` are also a `mode` of the action. */
export const commandNames = [
  "init",
  "backup",
  "verify",
  "restore",
  "undo",
  "upgrade-test",
  "recover",
  "doctor",
  "list",
  "ls",
  "find",
  "diff",
  "report",
  "prune",
  "upload",
  "scan-log",
] as const;

/** One of {@link commandNames}. */
export type CommandName = (typeof commandNames)[number];

/** Describes a command. The table in `src/wiring/commands.ts` decides which commands a build offers. */
interface CommandDescription {
  /** One line for the list of commands. */
  readonly summary: string;
  /** A paragraph for the help of the command. */
  readonly about: string;
  /** The command as most people type it. */
  readonly example: string;
  /** Possible exit codes besides 0, 1, 2 and 130. */
  readonly exits: readonly ExitCode[];
}

/** Descriptions for the help texts, README and action.yml. */
export const commandDescriptions: Readonly<Record<CommandName, CommandDescription>> = {
  init: {
    summary: "set up keys and a nightly schedule for this stack, and prove it once",
    about:
      "Says what it found, then asks before each step: three age key pairs outside the project, workflows for GitHub (pinned to the commit of this release), units for systemd, a file for cron, all with the values of this stack, and the first backup with its restore into an isolated clone. Begins after the last answer: until then Ctrl-C leaves nothing behind. Overwrites nothing. --yes answers for scripts, --skip leaves steps out, --dry-run shows the files.",
    example: "sophon-keeper init --project-directory /srv/sophon",
    exits: [3, 4, 5, 8],
  },
  backup: {
    summary: "back up the whole stack while it runs, as one restore point",
    about:
      "Copies every store of the stack into the repository on this host: each store consistent in itself, compressed, encrypted and checksummed. Reads back what it wrote, then removes backups that no retention rule keeps.",
    example:
      "sophon-keeper backup --project-directory /srv/sophon --recipients @/etc/sophon-keeper/recipients.txt --keep-daily 7",
    exits: [3, 8],
  },
  verify: {
    summary: "prove that a backup can be restored",
    about:
      "Verifies a backup at one of three levels; each level includes the previous one. checksum: compares every file with the manifest. contents: decrypts every file and reads it to the last byte. restore: restores the backup into an isolated clone of the stack, starts it and compares the contents.",
    example:
      "sophon-keeper verify --project-directory /srv/sophon --level restore --identity /etc/sophon-keeper/verify.key",
    exits: [4, 5],
  },
  restore: {
    summary: "restore the stack from a backup",
    about:
      "Verifies the backup before it changes anything, sets the current data aside, restores every store, starts the stack and checks it. If a step fails, the previous data is put back.",
    example:
      "sophon-keeper restore --project-directory /srv/sophon --backup latest --identity /media/stick/backup.key",
    exits: [4, 5, 6, 7, 8],
  },
  undo: {
    summary: "undo the newest restore: put back what it set aside",
    about:
      "Exchanges what the newest restore set aside with what is there now, gives the containers the images that they had, and starts the stack. Nothing is removed: what the restore brought is set aside in its place, and another undo brings it back. Works until somebody removes what was set aside or upgrades the stack; list shows what is there.",
    example: "sophon-keeper undo --project-directory /srv/sophon",
    exits: [6, 7, 8],
  },
  "upgrade-test": {
    summary: "upgrade to new images; roll images and data back if anything fails",
    about:
      "Pulls new images, applies them, and watches health and migration logs. If a check fails, images and data are rolled back. With --target rehearsal it does all that on an isolated clone of a backup.",
    example:
      "sophon-keeper upgrade-test --project-directory /srv/sophon --images sophon-gateway=buildersoftdev/sophon:1.3.0",
    exits: [3, 4, 5, 6, 7, 8],
  },
  recover: {
    summary: "finish or undo an interrupted operation",
    about:
      "Reads the journal of an operation whose process is gone, and finishes or undoes the operation. If there is nothing to do, the result is unchanged.",
    example: "sophon-keeper recover --project-directory /srv/sophon",
    exits: [6, 7, 8],
  },
  list: {
    summary: "list the backups of this host",
    about:
      "Lists the complete backups of the repository, newest first, with the level at which each was verified.",
    example: "sophon-keeper list --project-directory /srv/sophon",
    exits: [],
  },
  doctor: {
    summary: "examine host, stack and backups, and say what to mend",
    about:
      "Asks what a support thread would ask: programs and their versions, who may use the engine, the clock, the stack and its health, images that their registry has no longer, logins, file systems, room for the next backup and rollback, whether an upgrade could be rolled back and why not, the newest backup and the newest of each level, whether --identity opens it, which of --recipients have a private key at hand, copies off this host, and what unfinished operations left. Changes nothing.",
    example: "sophon-keeper doctor --project-directory /srv/sophon",
    exits: [4],
  },
  ls: {
    summary: "list the files and databases inside a backup",
    about:
      "Reads the archives of a backup and lists each file with its mode, time and size, and what the other components hold. --path limits the list to a file, a directory or a pattern.",
    example:
      "sophon-keeper ls --project-directory /srv/sophon --path config --identity /media/stick/backup.key",
    exits: [4, 5],
  },
  report: {
    summary: "write the whole history of a stack's backups as one page",
    about:
      "Writes one self-contained HTML page from what the repository knows: each night with the level at which its backup was verified, the newest proven copies, sizes and times of every store, upgrades and rehearsals, and when the disk is full. Verifies nothing and changes nothing.",
    example:
      "sophon-keeper report --project-directory /srv/sophon --report-path /srv/www/backups.html",
    exits: [],
  },
  find: {
    summary: "find a file in all backups, and when it changed",
    about:
      "Looks for names, paths or patterns in the file lists of every backup, newest first, and shows each version of a file with its mode, time and size, and the newest and the oldest backup that has it.",
    example:
      "sophon-keeper find --project-directory /srv/sophon --path models.json --identity /media/stick/backup.key",
    exits: [4, 5],
  },
  diff: {
    summary: "compare a backup with the one before, another, or the running stack",
    about:
      "Shows which files were added, changed (size, time, mode or target) or removed, and how the numbers of rows, points, keys and messages differ. Reads no content of files: a change that keeps size and time is not seen.",
    example:
      "sophon-keeper diff --project-directory /srv/sophon --against live --identity /media/stick/backup.key",
    exits: [4, 5],
  },
  prune: {
    summary: "remove backups that no retention rule keeps",
    about:
      "Counts only backups that were verified at retain-level or above, and never removes the last good one. With --dry-run it only reports what it would remove.",
    example:
      "sophon-keeper prune --project-directory /srv/sophon --keep-daily 7 --keep-weekly 4 --dry-run",
    exits: [5, 8],
  },
  upload: {
    summary: "send backups of this host to a bucket",
    about:
      "Sends a backup that is on this host to the destination, or with --backup all every good one that is not proven there. What an earlier run left incomplete is continued. Backups that were to be uploaded and were not are sent first.",
    example:
      "sophon-keeper upload --project-directory /srv/sophon --backup all --upload-to s3://backups/sophon",
    exits: [3],
  },
  "scan-log": {
    summary: "scan a log for failed migrations and failed starts",
    about:
      "Reads a log from standard input (docker compose logs, the .NET console, Serilog, NLog or JSON) and decides whether the last start succeeded.",
    example: "docker compose logs sophon-gateway | sophon-keeper scan-log",
    exits: [4, 5],
  },
};
