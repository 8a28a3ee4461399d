import type { CommandName } from "./command-names.ts";
import { longestWait } from "./duration.ts";
import type { InputSpec } from "./spec.ts";

const gated = ["restore", "upgrade-test"] as const satisfies readonly CommandName[];
const pinned = ["restore", "undo", "upgrade-test"] as const satisfies readonly CommandName[];
const logs = ["verify", "upgrade-test", "scan-log"] as const satisfies readonly CommandName[];

/** What to upgrade to, and which checks decide whether the upgrade succeeded. */
export const upgradeInputs = {
  images: {
    kind: "images",
    commands: ["upgrade-test"],
    about:
      "The new images as service=reference, one per line or separated by commas. Default: the images in the Compose files; for a rehearsal, those in new-files that differ from the backup.",
  },
  "new-files": {
    kind: "paths",
    commands: ["upgrade-test"],
    about:
      "The new Compose files of a rehearsal. Default: the files of the checkout (the working directory, else the project directory) with the names that they have in the backup. Their variables come from the .env beside them, else from the env files of the backup.",
  },
  candidates: {
    kind: "candidates",
    commands: ["upgrade-test"],
    about:
      "For a rehearsal: several new images for one service, as service=reference and further references, one per line or separated by commas. The backup is restored once, each image is tried on a clone of its own, and one table tells which of them work. The result is that of the worst. images may name other services.",
  },
  "failed-max-bytes": {
    kind: "integer",
    min: 1,
    commands: ["upgrade-test"],
    about:
      "How much of what a failed version wrote is kept after a rollback, in bytes before compression; what goes beyond is deleted, and the result names it. Default: 10 GiB.",
  },
  target: {
    kind: "text",
    ofHost: "itself",
    default: "live",
    commands: ["restore", "upgrade-test"],
    about:
      "What is changed. live: the stack itself. restore also takes the path of a new directory: it receives the backup as plain files, and the stack is not touched. upgrade-test also takes rehearsal: the upgrade is tried on an isolated clone of a backup, and the stack is not touched.",
  },
  comment: {
    kind: "choice",
    face: "action",
    choices: ["auto", "full", "verdict", "off"],
    default: "auto",
    commands: ["upgrade-test"],
    about:
      "The comment of a rehearsal on its pull request. verdict: outcome and times only. auto: full in a private repository, verdict in a public one.",
  },
  "github-token": {
    kind: "secret",
    face: "action",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub
    actionDefault: "${{ github.token }}",
    commands: ["restore", "upgrade-test"],
    about:
      "The token that writes the comment of a rehearsal (permission pull-requests: write) and reads artifacts of other runs (actions: read).",
  },
  "require-rehearsal": {
    kind: "duration",
    commands: ["upgrade-test"],
    about:
      "Upgrade the live stack only if a rehearsal of the same images on the same migrations, with the same log rules, passed within this time, such as 7d. Without health-timeout, the time that the rehearsal predicts is used.",
  },
  "reuse-rehearsal": {
    kind: "duration",
    commands: ["upgrade-test"],
    about:
      "For a rehearsal: if one of the same images and definition, on a backup with the same migrations and with the same log rules, passed within this time, such as 1d, its record is the answer, in seconds. 0 accepts only one of the very same backup, however old. Default: 7d in a merge queue (merge_group), 0 in a pull request, else never.",
  },
  "clone-memory": {
    kind: "integer",
    min: 16,
    commands: ["upgrade-test"],
    about:
      "For a rehearsal: the most memory that all containers of the clone may use together, in MiB. A clone that needs more ends as unverifiable. Default: as much as the host has to spare.",
  },
  "template-keep": {
    kind: "integer",
    commands: ["upgrade-test"],
    max: 20,
    about:
      "For a rehearsal: how many restored backups stay on the host, in volumes of the engine, so that the next rehearsal of the same backup needs no restore. They are decrypted data of production, and go with their backup, with prune, and when the disk gets full. Default: 1 on the host of the live stack, else 0.",
  },
  "health-url": {
    kind: "url",
    commands: gated,
    about:
      "The URL that answers with a 2xx status if the stack is healthy. Default: the container's own address and port.",
  },
  "health-header": {
    kind: "secret",
    environment: "SOPHON_KEEPER_HEALTH_HEADER",
    commands: gated,
    about: "A header for the health request, as Name: value, or @path of a file that contains it.",
    aboutFlag: "A header for the health request: @path of a file that contains it as Name: value.",
  },
  "health-ca": {
    kind: "path",
    ofHost: "nothing",
    commands: gated,
    about: "PEM file of the certificate authority that signed the certificate of the health URL.",
  },
  "health-timeout": {
    kind: "duration",
    longest: longestWait,
    default: "10m",
    commands: ["verify", "restore", "undo", "upgrade-test"],
    about:
      "How long the stack may take to become healthy. A migration that makes progress gets more time.",
  },
  soak: {
    kind: "duration",
    longest: longestWait,
    default: "60s",
    commands: gated,
    about: "How long the stack must stay healthy before the upgrade counts as successful.",
  },
  "allow-unhealthy": {
    kind: "flag",
    commands: ["upgrade-test"],
    about: "Upgrade even if the stack is not healthy beforehand.",
  },
  pin: {
    kind: "choice",
    choices: ["file", "override", "none"],
    default: "file",
    commands: pinned,
    about:
      "Where the new images are written after a successful upgrade, so that a plain docker compose up keeps them: the Compose or env file itself, an override file, or nowhere.",
  },
  "rollback-directory": {
    kind: "path",
    commands: ["upgrade-test", "doctor"],
    about:
      "Where the rollback copies are made. Default: next to each source, on the same file system.",
  },
  "log-allow": {
    kind: "lines",
    commands: logs,
    about: "Regular expressions, one per line. Log lines that match never count as a failure.",
  },
  "log-deny": {
    kind: "lines",
    commands: logs,
    about: "Regular expressions, one per line. A log line that matches fails the start.",
  },
  state: {
    kind: "choice",
    choices: ["running", "exited", "hung", "restarting"],
    face: "cli",
    commands: ["scan-log"],
    about: "The state of the container that wrote the log. Default: inferred from the log.",
  },
} as const satisfies Record<string, InputSpec>;
