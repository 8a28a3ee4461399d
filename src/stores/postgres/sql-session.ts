import { randomBytes } from "node:crypto";
import type { StreamingProcess } from "../../core/exec.ts";
import { type AdminConnection, environment, type PostgresServer, psqlArguments } from "./client.ts";

/** A `psql` that stays connected, so that several statements share one transaction. */
export interface PsqlSession extends AsyncDisposable {
  /**
   * Runs SQL (and psql commands such as `\gexec`) and returns the lines of its output.
   *
   * @throws ExecError with the server's message when a statement fails; this ends the session.
   */
  lines(sql: string): Promise<string[]>;
}

/** Opens a session on a database. */
export function openSession(server: PostgresServer, database: string): PsqlSession {
  const process = server.containers.execStream(
    server.store.containerId,
    psqlArguments(server, database),
    { env: environment(server), pipeInput: true, signal: server.signal },
  );
  const reader = new LineReader(process);
  return {
    lines: async (sql) => {
      const end = `end-${randomBytes(12).toString("hex")}`;
      process.stdin.write(`${sql}\n\\echo ${end}\n`);
      return await reader.until(end);
    },
    async [Symbol.asyncDispose]() {
      process.stdin.end();
      await process.done.catch(() => undefined);
    },
  };
}

/** From PostgreSQL 14 on a server may end idle connections. This one is idle while a dump is loaded. */
const STAY = `
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout' \\g /dev/null`;

/** Calls `work` with a server whose statements in `template1` share one connection. */
export async function withAdmin<T>(
  server: PostgresServer,
  work: (server: PostgresServer) => Promise<T>,
): Promise<T> {
  let session: PsqlSession | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const end = async () => {
    const open = session;
    session = undefined;
    await open?.[Symbol.asyncDispose]();
  };
  const run = async (sql: string) => {
    try {
      if (session === undefined) {
        session = openSession(server, "template1");
        await session.lines(STAY);
      }
      return (await session.lines(sql)).join("\n");
    } catch (error) {
      await end();
      throw error;
    }
  };
  // One after the other, because a session has one output.
  const inTurn = <R>(step: () => Promise<R>): Promise<R> => {
    const mine = last.then(step);
    last = mine.catch(() => undefined);
    return mine;
  };
  const admin: AdminConnection = {
    execute: (sql) => inTurn(() => run(sql)),
    close: () => inTurn(end),
  };
  try {
    return await work({ ...server, admin });
  } finally {
    await admin.close();
  }
}

/** Reads the lines of a process up to an end line. */
class LineReader {
  readonly #ended: Promise<never>;
  #lines: string[] = [];
  #rest = "";
  #wake: () => void = () => undefined;

  constructor(process: StreamingProcess) {
    process.stdout.setEncoding("utf8").on("data", (text: string) => this.#add(text));
    this.#ended = process.done.then(() => {
      throw new Error("psql ended unexpectedly");
    });
    this.#ended.catch(() => undefined);
  }

  async until(end: string): Promise<string[]> {
    for (;;) {
      const at = this.#lines.indexOf(end);
      if (at >= 0) return this.#lines.splice(0, at + 1).slice(0, -1);
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([more, this.#ended]);
    }
  }

  #add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#lines.push(...lines);
    this.#wake();
  }
}
