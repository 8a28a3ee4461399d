import type { CommandName } from "./command-names.ts";
import type { InputSpec } from "./spec.ts";

const stack = [
  "backup",
  "verify",
  "restore",
  "upgrade-test",
  "recover",
  "list",
  "prune",
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
  "upgrade-test",
  "recover",
  "prune",
] as const satisfies readonly CommandName[];

/** Which stack, and where its parts are when they cannot be found. */
export const stackInputs = {
  "project-directory": {
    kind: "path",
    commands: stack,
    about:
      "Directory of the Compose project. Default: where the running project says it was started.",
  },
  "compose-files": {
    kind: "paths",
    inProject: true,
    commands: stack,
    about:
      "Compose files in Compose's order, one a line or separated by commas; relative to the project directory. Default: those of the running project, else what Compose finds.",
  },
  "project-name": {
    kind: "text",
    commands: stack,
    about: "Name of the Compose project. Default: as Compose decides it.",
  },
  "env-files": {
    kind: "paths",
    inProject: true,
    commands: stack,
    about: "Env files given to Compose; relative to the project directory.",
  },
  profiles: {
    kind: "list",
    commands: stack,
    about: "Compose profiles that are part of the stack.",
  },
  repository: {
    kind: "path",
    commands: stack,
    about:
      "Directory of the backups. Default: /var/lib/sophon-keeper/PROJECT for root, ~/.local/share/sophon-keeper/PROJECT for others.",
  },
  "lock-timeout": {
    kind: "duration",
    default: "0s",
    commands: changing,
    about: "How long to wait for another operation on the same stack before giving up (exit 8).",
  },
  "data-dir": {
    kind: "path",
    commands: stores,
    about: "The data directory (SOPHON_DATA) on the host. Default: found from the mounts.",
  },
  "vault-key": {
    kind: "text",
    commands: stores,
    about:
      "Path of the key file inside the data directory, or none for a stack that has no such key. Default: security/vault.key.",
  },
  exclude: {
    kind: "list",
    commands: ["backup", "upgrade-test"],
    about:
      "Volumes and paths that are left out on purpose, one a line or separated by commas; each is named in the manifest.",
  },
  "postgres-service": {
    kind: "text",
    commands: stores,
    about: "The service that is the PostgreSQL server. Default: found.",
  },
  "qdrant-service": {
    kind: "text",
    commands: stores,
    about: "The service that is the Qdrant server. Default: found.",
  },
  "redis-service": {
    kind: "text",
    commands: stores,
    about: "The service that is the Redis server. Default: found.",
  },
  "rabbitmq-service": {
    kind: "text",
    commands: stores,
    about: "The service that is the RabbitMQ broker. Default: found.",
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
} as const satisfies Record<string, InputSpec>;
