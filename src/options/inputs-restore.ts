import type { InputSpec } from "./spec.ts";

/** Which backup, how deep to look, and what to put back. */
export const restoreInputs = {
  backup: {
    kind: "text",
    default: "latest",
    commands: ["verify", "restore", "upgrade-test"],
    about:
      "The backup: an id, a path (of its directory, or of the one .tar that was uploaded), or latest; for a restore also artifact, for one of this workflow run; for verify and restore also a file that was made by hand as the Sophon page says, or a directory of such files.",
    aboutFlag:
      "The backup: an id, a path (of its directory, or of the one .tar that was uploaded), or latest; for verify and restore also a file that was made by hand as the Sophon page says, or a directory of such files.",
  },
  level: {
    kind: "choice",
    choices: ["checksum", "contents", "restore"],
    default: "contents",
    commands: ["verify"],
    about:
      "How deep to verify: checksum needs no identity, contents needs one, restore also needs an engine.",
  },
  "max-age": {
    kind: "duration",
    commands: ["verify"],
    about:
      "The result is stale (exit 4) when the newest backup verified at the level is older, such as 36h.",
  },
  "clone-health": {
    kind: "choice",
    choices: ["on", "off"],
    default: "on",
    commands: ["verify"],
    about:
      "off: at level restore, counts alone decide; for a stack that needs the outside world to become healthy.",
  },
  only: {
    kind: "list",
    commands: ["restore"],
    about: "Restore only these stores, such as postgres,qdrant. Default: all.",
  },
  "keep-images": {
    kind: "flag",
    commands: ["restore"],
    about:
      "Containers that run another image than the backup is of keep it. Default: they are made anew with the backup's image, and the project's files name it.",
  },
  "allow-shared-paths": {
    kind: "flag",
    commands: ["restore", "upgrade-test"],
    about: "Go on although a path or volume of the stack is also used by another project.",
  },
} as const satisfies Record<string, InputSpec>;
