import type { CommandName } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

const gated = ["restore", "upgrade-test"] as const satisfies readonly CommandName[];
const booted = ["verify", "restore", "upgrade-test"] as const satisfies readonly CommandName[];
const logs = ["verify", "upgrade-test", "scan-log"] as const satisfies readonly CommandName[];

/** What to upgrade to, and what decides whether it is good. */
export const upgradeInputs = {
  images: {
    kind: "images",
    commands: ["upgrade-test"],
    about:
      "The new images as service=reference, one a line or separated by commas. Default: those of the compose files.",
  },
  target: {
    kind: "text",
    default: "live",
    commands: ["restore"],
    about:
      "live restores the stack itself; a path is the directory that gets the backup as plain files.",
  },
  "health-url": {
    kind: "url",
    commands: gated,
    about: "The URL whose 2xx answer means healthy. Default: the container's own address and port.",
  },
  "health-header": {
    kind: "secret",
    environment: "SOPHON_KEEPER_HEALTH_HEADER",
    commands: gated,
    about: "A header for the health request, as Name: value, or @path of a file that holds it.",
    aboutFlag: "A header for the health request: @path of a file that holds it, as Name: value.",
  },
  "health-ca": {
    kind: "path",
    commands: gated,
    about: "PEM file of the certificate authority that signed the health URL's certificate.",
  },
  "health-timeout": {
    kind: "duration",
    default: "10m",
    commands: booted,
    about:
      "How long the stack may take to become healthy. A migration that makes progress has more.",
  },
  soak: {
    kind: "duration",
    default: "60s",
    commands: gated,
    about: "How long the stack must stay healthy before it counts as good.",
  },
  "allow-unhealthy": {
    kind: "flag",
    commands: ["upgrade-test"],
    about: "Upgrade although the stack is not healthy to begin with.",
  },
  pin: {
    kind: "choice",
    choices: ["file", "override", "none"],
    default: "file",
    commands: gated,
    about:
      "Where the new images are written after a good upgrade, so that a plain docker compose up keeps them: the compose or env file itself, an override file, or nowhere.",
  },
  "rollback-directory": {
    kind: "path",
    commands: ["upgrade-test"],
    about: "Where the rollback copy is made. Default: beside its source, on the same file system.",
  },
  "log-allow": {
    kind: "lines",
    commands: logs,
    about:
      "Regular expressions, one a line: log lines that match are never held against the start.",
  },
  "log-deny": {
    kind: "lines",
    commands: logs,
    about: "Regular expressions, one a line: a log line that matches fails the start.",
  },
  state: {
    kind: "choice",
    choices: ["running", "exited", "hung", "restarting"],
    face: "cli",
    commands: ["scan-log"],
    about: "What became of the container that wrote the log. Default: inferred from the log.",
  },
} as const satisfies Record<string, InputSpec>;
