import { posix } from "node:path";
import type { PostgresStore } from "../model/stack.ts";
import type { InspectedContainer } from "./inspect.ts";
import {
  placeOfServer,
  readInside,
  readVariable,
  type ServerContext,
  wordsOf,
} from "./server-input.ts";
import { defaultDirectory } from "./server-kind.ts";

/** The variables that hold the password of a PostgreSQL superuser, each also as a file (`_FILE`). */
export const postgresPasswords = ["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "PGPASSWORD"];

/** The port on which the server of a command listens, if the command says so: `-p 5433`, `--port=5433`, `-c port=5433`. */
export function portOfCommand(words: readonly string[]): number | undefined {
  return Number(optionOf(words, "p", "port")) || undefined;
}

/**
 * Describes a PostgreSQL server. The command and the environment decide the port; otherwise the lock file of the
 * running server does, which names its port and socket (`CreateLockFile` in `miscinit.c`).
 */
export async function describePostgres(
  { state, argv }: InspectedContainer,
  context: ServerContext,
): Promise<PostgresStore> {
  const variable = (...names: string[]) => readVariable(state, names, context);
  const words = await wordsOf(argv, state, context);
  const user =
    context.databaseUser ??
    (await variable("POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER")) ??
    "postgres";
  const database =
    context.databaseName ?? (await variable("POSTGRES_DB", "POSTGRESQL_DATABASE")) ?? user;
  const directory =
    optionOf(words, "D", "data_directory") ||
    state.environment.PGDATA ||
    defaultDirectory("postgres");
  const lock = await readInside(state, posix.join(directory, "postmaster.pid"), context);
  const [, , , lockPort, socket] = lock.split("\n");
  const port =
    portOfCommand(words) ??
    (Number(state.environment.PGPORT || state.environment.POSTGRESQL_PORT_NUMBER) || undefined) ??
    (Number(lockPort) || undefined);
  // A server may have no socket at all.
  const host = lock === "" ? undefined : socket === "" ? "127.0.0.1" : socket;
  return {
    kind: "postgres",
    ...placeOfServer(state, directory),
    user,
    password: await variable(...postgresPasswords),
    database,
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
  };
}

/** The last value of an option, as a flag (`-p 1`, `-p1`, `--port=1`) or as a setting (`-c port=1`). */
function optionOf(argv: readonly string[], flag: string, setting: string): string | undefined {
  const words = argv.slice(argv.findIndex((word) => /(^|\/)postgres$/.test(word)) + 1);
  let found: string | undefined;
  for (const [index, word] of words.entries()) {
    const next = words[index + 1];
    const short = new RegExp(`^-${flag}(.*)$`).exec(word)?.[1];
    if (short !== undefined) found = short || next;
    const pair = word === "-c" ? next : /^(?:-c|--)(.+)$/.exec(word)?.[1];
    const [name = "", value] = pair?.split("=") ?? [];
    if (name.replaceAll("-", "_") === setting && value !== undefined) found = value;
  }
  return found;
}
