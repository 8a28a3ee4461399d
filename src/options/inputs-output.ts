import { commandNames } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

/** What is shown, and whether anything is done at all. */
export const outputInputs = {
  "dry-run": {
    kind: "flag",
    commands: ["backup", "restore", "upgrade-test", "prune"],
    about: "Say what would be done, and do nothing.",
  },
  "report-path": {
    kind: "path",
    commands: ["verify", "restore", "upgrade-test"],
    about: "Also write the report there, as one self-contained HTML page.",
  },
  json: {
    kind: "flag",
    face: "cli",
    commands: commandNames,
    about: "Print exactly one JSON object on standard output, whatever happens.",
  },
} as const satisfies Record<string, InputSpec>;
