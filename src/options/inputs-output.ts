import { type CommandName, commandNames } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

const told = [
  "backup",
  "verify",
  "restore",
  "undo",
  "upgrade-test",
  "recover",
  "prune",
] as const satisfies readonly CommandName[];

/** What is reported, and whether anything is changed at all. */
export const outputInputs = {
  "dry-run": {
    kind: "flag",
    commands: ["init", "backup", "restore", "undo", "upgrade-test", "prune", "upload"],
    about: "Only report what would be done; change nothing.",
  },
  "report-path": {
    kind: "path",
    ofHost: "around",
    commands: ["backup", "verify", "restore", "upgrade-test", "list", "prune", "doctor", "report"],
    about:
      "Also write the report to this path, as one self-contained HTML page. For report, the page of the history: by default sophon-keeper-report.html in the working directory.",
  },
  notify: {
    kind: "addresses",
    environment: "SOPHON_KEEPER_NOTIFY",
    commands: told,
    about:
      "The addresses that get a message about the result, one per line: https:// for a webhook with the whole result, healthchecks+https://, ntfy+https://, slack+https://, discord+https://, teams+https://, smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS, smtps://, sendmail:ADDRESS. @path of a file that contains them is accepted. See docs/notify.md.",
    aboutFlag:
      "The addresses that get a message about the result: @path of a file with one per line. See docs/notify.md.",
  },
  "notify-on": {
    kind: "list",
    default: "failure,recovery",
    commands: told,
    about:
      "The results that are sent: failure, recovery (the first success after a failure), success. A healthchecks address gets every result.",
  },
  "metrics-path": {
    kind: "path",
    ofHost: "around",
    commands: told,
    about:
      "Also write the newest runs of this host to this path, as Prometheus's textfile collector reads it. The name ends with .prom.",
  },
  json: {
    kind: "flag",
    face: "cli",
    commands: commandNames,
    about: "Print exactly one JSON object on standard output, for errors too.",
  },
} as const satisfies Record<string, InputSpec>;
