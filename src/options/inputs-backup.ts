import type { CommandName } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

const makes = ["backup", "upgrade-test"] as const satisfies readonly CommandName[];
const reads = [
  "backup",
  "verify",
  "restore",
  "upgrade-test",
  "ls",
  "find",
  "diff",
] as const satisfies readonly CommandName[];
const prunes = ["backup", "upgrade-test", "prune"] as const satisfies readonly CommandName[];

/** How a backup is made, encrypted and retained. */
export const backupInputs = {
  recipients: {
    kind: "recipients",
    commands: [...makes, "doctor"],
    about:
      "age recipients (age1...) that can decrypt the backup, one per line or separated by commas, or files with recipients (@path). Give two: yours and an offline recovery key. Without recipients and without a passphrase a backup is refused, unless unencrypted is true.",
    aboutFlag:
      "age recipients (age1...) that can decrypt the backup, one per line or separated by commas, or files with recipients (@path). Give two: yours and an offline recovery key. Without recipients and without a passphrase the backup is not encrypted and stays on this host, mode 0600.",
  },
  unencrypted: {
    kind: "flag",
    commands: makes,
    about:
      "Make a backup that is not encrypted. It stays on this host, mode 0600, and is never uploaded: who can read it has every credential of the stack.",
  },
  passphrase: {
    kind: "secret",
    environment: "SOPHON_KEEPER_PASSPHRASE",
    commands: reads,
    about:
      "A passphrase instead of recipients: the text, or @path of a file that contains it. Never use both.",
    aboutFlag:
      "A passphrase instead of recipients, as @path of a file that contains it. Never use both.",
  },
  identity: {
    kind: "identities",
    environment: "SOPHON_KEEPER_IDENTITY",
    commands: ["verify", "restore", "upgrade-test", "ls", "find", "diff", "doctor"],
    about:
      "The age identity that decrypts the backup: the path of a key file, or the secret key itself (AGE-SECRET-KEY-1...). Not needed to make a backup.",
    aboutFlag:
      "The path of the key file with the age identity that decrypts the backup. Not needed to make a backup.",
  },
  "sign-key": {
    kind: "path",
    ofHost: "nothing",
    commands: ["backup", "upload", "upgrade-test", "verify", "restore"],
    about:
      "The private key that signs backups, and is trusted: the path of an Ed25519 key of OpenSSH without a passphrase. Default: this host's own key, made on first use, in /etc/sophon-keeper/sign-key for root and in ~/.local/share/sophon-keeper-keys/sign-key for other users.",
  },
  consistency: {
    kind: "choice",
    choices: ["live", "stopped"],
    default: "live",
    commands: makes,
    about:
      "live: the stack keeps running, and each store is consistent in itself. stopped: services that write are stopped for as short as possible, and all stores are from the same moment.",
  },
  "volume-consistency": {
    kind: "modes",
    choices: ["freeze", "stop", "live"],
    default: "freeze",
    commands: makes,
    about:
      "How a volume or bind mount that is not one of the known stores is copied: a mode for all, or name=mode for one, one per line or separated by commas (name: the volume, the path or the component). freeze: its services are paused for a moment if they write during the copy. stop: they are stopped during the copy. live: they keep running, so files that belong together may not fit together.",
  },
  "include-host-files": {
    kind: "flag",
    commands: [...makes, "verify"],
    about:
      "Also back up files outside of the project directory that its owner cannot read, if the compose files name them (env_file, include, extends, secrets, configs, mounts). Without it such a backup is refused, and the message names the file.",
  },
  incremental: {
    kind: "flag",
    commands: makes,
    about:
      "Store only what changed since an earlier backup of this repository. About every thirtieth backup is a full one, and the others need it. Not with upload: artifact or cache, which hold one backup.",
    aboutFlag:
      "Store only what changed since an earlier backup of this repository. About every thirtieth backup is a full one, and the others need it.",
  },
  full: {
    kind: "flag",
    commands: makes,
    about: "With incremental: make this backup a full one.",
  },
  "rabbitmq-messages": {
    kind: "choice",
    choices: ["pause", "stop", "none"],
    default: "pause",
    commands: makes,
    about:
      "How messages are backed up. pause: freezes the broker for a moment. stop: stops the broker (transient messages are lost). none: backs up definitions only.",
  },
  "keep-last": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep this many of the newest backups. Without a keep rule no backup is removed.",
  },
  "keep-daily": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep the newest backup of each day, for this many days.",
  },
  "keep-weekly": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep the newest backup of each week, for this many weeks.",
  },
  "keep-monthly": {
    kind: "integer",
    min: 1,
    commands: prunes,
    about: "Keep the newest backup of each month, for this many months.",
  },
  "retain-level": {
    kind: "choice",
    choices: ["checksum", "contents", "restore"],
    default: "checksum",
    commands: prunes,
    about: "Only backups verified at this level or above count for the keep rules.",
  },
} as const satisfies Record<string, InputSpec>;
