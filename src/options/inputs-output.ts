import { commandNames } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

/** What is reported, and whether anything is changed at all. */
export const outputInputs = {
  "dry-run": {
    kind: "flag",
    commands: ["backup", "restore", "upgrade-test", "prune"],
    about: "Only report what would be done; change nothing.",
  },
  "report-path": {
    kind: "path",
    commands: ["backup", "verify", "restore", "upgrade-test", "list", "prune"],
    about: "Also write the report to this path, as one self-contained HTML page.",
  },
  json: {
    kind: "flag",
    face: "cli",
    commands: commandNames,
    about: "Print exactly one JSON object on standard output, for errors too.",
  },
} as const satisfies Record<string, InputSpec>;
