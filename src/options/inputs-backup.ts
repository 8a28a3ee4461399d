import type { CommandName } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

const makes = ["backup", "upgrade-test"] as const satisfies readonly CommandName[];
const reads = [
  "backup",
  "verify",
  "restore",
  "upgrade-test",
] as const satisfies readonly CommandName[];
const prunes = ["backup", "upgrade-test", "prune"] as const satisfies readonly CommandName[];

/** How a backup is made, sealed, kept and sent away. */
export const backupInputs = {
  recipients: {
    kind: "recipients",
    commands: makes,
    about:
      "age recipients (age1...) that can open the backup, one a line or separated by commas, or files of them (@path). Give two: yours and an offline recovery key. Without any, and without a passphrase, a backup stays on this host in the clear, mode 0600.",
  },
  passphrase: {
    kind: "secret",
    environment: "SOPHON_KEEPER_PASSPHRASE",
    commands: reads,
    about:
      "A passphrase instead of recipients: the text, or @path of a file that holds it. Never both.",
    aboutFlag: "A passphrase instead of recipients, as @path of a file that holds it. Never both.",
  },
  identity: {
    kind: "identities",
    environment: "SOPHON_KEEPER_IDENTITY",
    commands: ["verify", "restore", "upgrade-test"],
    about:
      "The age identity that opens the backup: the path of a key file, or the secret itself (AGE-SECRET-KEY-1...). Making a backup needs none.",
    aboutFlag:
      "The path of the key file with the age identity that opens the backup. Making a backup needs none.",
  },
  consistency: {
    kind: "choice",
    choices: ["live", "stopped"],
    default: "live",
    commands: makes,
    about:
      "live: the stack serves, each store is consistent in itself. stopped: what writes is stopped for the shortest possible time, all stores are of one instant.",
  },
  "rabbitmq-messages": {
    kind: "choice",
    choices: ["pause", "stop", "none"],
    default: "pause",
    commands: makes,
    about:
      "How messages are copied: pause freezes the broker for a moment, stop stops it (transient messages are lost), none copies definitions only.",
  },
  upload: {
    kind: "choice",
    face: "action",
    choices: ["none", "artifact"],
    default: "none",
    commands: ["backup"],
    about:
      "artifact: also put the encrypted backup into an artifact of the workflow run. Refused without encryption.",
  },
  "artifact-name": {
    kind: "text",
    face: "action",
    commands: ["backup", "restore"],
    about:
      "Name of the artifact, unique in the run. Default: the id of the backup, with .tar; for a restore, the newest one of the run.",
  },
  "artifact-retention-days": {
    kind: "integer",
    face: "action",
    min: 1,
    max: 400,
    commands: ["backup"],
    about: "Days that GitHub keeps the artifact. Default: as the repository is set.",
  },
  "keep-last": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep this many of the newest backups. Without any keep rule nothing is removed.",
  },
  "keep-daily": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep the newest backup of each of this many days.",
  },
  "keep-weekly": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep the newest backup of each of this many weeks.",
  },
  "keep-monthly": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep the newest backup of each of this many months.",
  },
  "retain-level": {
    kind: "choice",
    choices: ["checksum", "contents", "restore"],
    default: "checksum",
    commands: prunes,
    about: "Only backups verified at this level or above count for the keep rules.",
  },
} as const satisfies Record<string, InputSpec>;
