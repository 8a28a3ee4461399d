import type { CommandName } from "./command-names.ts";
import { longestWait } from "./duration.ts";
import type { InputSpec } from "./spec.ts";

const stack = [
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
] as const satisfies readonly CommandName[];
const stores = [
  "backup",
  "verify",
  "restore",
  "upgrade-test",
] as const satisfies readonly CommandName[];
const changing = [
  "backup",
  "restore",
  "undo",
  "upgrade-test",
  "recover",
  "prune",
] as const satisfies readonly CommandName[];

/** Which stack, and where its parts are if discovery does not find them. */
export const stackInputs = {
  config: {
    kind: "path",
    ofHost: "nothing",
    environment: "SOPHON_KEEPER_CONFIG",
    commands: stack,
    about:
      "A configuration file (sophon-keeper.yaml) with the same names as the inputs; an input that is given goes before it. See docs/config.md. Default: none.",
    aboutFlag:
      "A configuration file with the same names as the flags; a flag goes before it. Default: sophon-keeper.yaml in the project directory or the working directory, else in /etc/sophon-keeper.",
  },
  stack: {
    kind: "text",
    commands: stack,
    about: "Which of the stacks in the configuration file.",
    aboutFlag: "Which of the stacks in the configuration file, or all of them one after the other.",
  },
  "print-config": {
    kind: "flag",
    face: "cli",
    commands: stack,
    about:
      "Only print the values that would be used, and where each comes from. Secrets are masked.",
  },
  "project-directory": {
    kind: "path",
    commands: stack,
    about:
      "Directory of the Compose project. Default: the directory from which the running project was started.",
  },
  "compose-files": {
    kind: "paths",
    inProject: true,
    commands: stack,
    about:
      "Compose files in the order Compose merges them, one per line or separated by commas (a path with a comma in double quotes), relative to the project directory. Default: the files of the running project, else what Compose finds.",
  },
  "project-name": {
    kind: "text",
    commands: stack,
    about: "Name of the Compose project. Default: the name that Compose chooses.",
  },
  "env-files": {
    kind: "paths",
    inProject: true,
    commands: stack,
    about: "Env files for Compose, relative to the project directory.",
  },
  profiles: {
    kind: "list",
    commands: stack,
    about: "Compose profiles that belong to the stack.",
  },
  repository: {
    kind: "path",
    commands: stack,
    about:
      "Directory of the backups. Default: /var/lib/sophon-keeper/PROJECT for root, ~/.local/share/sophon-keeper/PROJECT for others.",
  },
  "lock-timeout": {
    kind: "duration",
    longest: longestWait,
    default: "0s",
    commands: changing,
    about: "How long to wait for another operation on the same stack before it gives up (exit 8).",
  },
  "data-dir": {
    kind: "path",
    commands: stores,
    about: "The data directory (SOPHON_DATA) on the host. Default: detected from the mounts.",
  },
  "vault-key": {
    kind: "text",
    commands: stores,
    about:
      "Path of the key file inside the data directory, or none if the stack has no such key. Default: security/vault.key.",
  },
  exclude: {
    kind: "list",
    commands: ["backup", "upgrade-test"],
    about:
      "Volumes and paths to leave out on purpose, one per line or separated by commas. The manifest names each of them.",
  },
  "postgres-service": {
    kind: "text",
    commands: stores,
    about: "The service that runs the PostgreSQL server. Default: detected.",
  },
  "qdrant-service": {
    kind: "text",
    commands: stores,
    about: "The service that runs the Qdrant server. Default: detected.",
  },
  "redis-service": {
    kind: "text",
    commands: stores,
    about: "The service that runs the Redis server. Default: detected.",
  },
  "rabbitmq-service": {
    kind: "text",
    commands: stores,
    about: "The service that runs the RabbitMQ broker. Default: detected.",
  },
  "database-user": {
    kind: "text",
    commands: stores,
    about: "The PostgreSQL superuser. Default: from the container's environment.",
  },
  "database-name": {
    kind: "text",
    commands: stores,
    about: "The main PostgreSQL database. Default: from the container's environment.",
  },
  "keys-directory": {
    kind: "path",
    face: "cli",
    commands: ["init"],
    about: "Where the key pairs are made, outside the project. Default: ~/sophon-keeper-keys.",
  },
  into: {
    kind: "path",
    face: "cli",
    commands: ["init"],
    about: "Where the workflows and units are written. Default: the project's directory.",
  },
  yes: {
    kind: "flag",
    face: "cli",
    commands: ["init"],
    about: "Take every step without a question, for scripts. Without it a terminal is needed.",
  },
  skip: {
    kind: "choices",
    choices: ["keys", "workflows", "systemd", "cron", "proof"],
    face: "cli",
    commands: ["init"],
    about:
      "Steps to leave out: the key pairs, the workflows for GitHub, the units for systemd, the file for cron, the first backup with its test restore.",
  },
} as const satisfies Record<string, InputSpec>;
