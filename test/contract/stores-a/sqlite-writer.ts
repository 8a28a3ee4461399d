import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A process of another program that writes into a database as fast as it can, until it is stopped. */
export interface SqliteWriter extends AsyncDisposable {
  /** How many rows are committed: each was acknowledged by SQLite before it was counted. */
  acknowledged(): number;
  /** Resolves when this many rows are committed. */
  reached(rows: number): Promise<void>;
}

/** Makes a database with EF Core's history, a key and some rows, with Python's SQLite. */
export function makeDatabase(path: string, journalMode: "wal" | "delete"): void {
  execFileSync("python3", ["-c", MAKE, path, journalMode]);
}

/** A journal of a transaction that was interrupted, which names a file that goes once it is played back. */
export function plantJournal(live: string, victim: string): void {
  const magic = Buffer.from("d9d505f920a163d7", "hex");
  const numbers = (...all: number[]) => {
    const bytes = Buffer.alloc(4 * all.length);
    for (const [at, one] of all.entries()) bytes.writeUInt32BE(one >>> 0, 4 * at);
    return bytes;
  };
  const pages = statSync(live).size / 4096;
  const header = Buffer.concat([magic, numbers(0, 0, pages, 512, 4096)], 512);
  const name = Buffer.from(victim);
  const sum = name.reduce((total, byte) => total + byte, 0);
  const pointer = [numbers(2 ** 30 / 4096 + 1), name, numbers(name.length, sum), magic];
  writeFileSync(`${live}-journal`, Buffer.concat([header, ...pointer]));
}

/**
 * Starts a writer, under another uid if one is given.
 *
 * @param manner - whether it keeps the database open, or opens it for each row, as a script of a web page does
 */
export async function startWriter(
  path: string,
  {
    uid = 0,
    manner = "open",
  }: { readonly uid?: number; readonly manner?: "open" | "reopened" } = {},
): Promise<SqliteWriter> {
  const asUser = ["--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
  const program = manner === "open" ? WRITE : WRITE_AND_CLOSE;
  const child: ChildProcess = spawn("setpriv", [...asUser, "python3", "-c", program, path], {
    stdio: ["ignore", "pipe", "inherit"],
    // The system's own: one in somebody's home is not for every uid.
    env: { PATH: "/usr/bin:/bin" },
  });
  let rows = 0;
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  lines.on("line", (line) => {
    rows = Number(line);
  });
  const ended = once(child, "exit");
  const reached = async (wanted: number) => {
    while (rows < wanted) {
      if (child.exitCode !== null) throw new Error("the writer has ended");
      await Promise.race([once(lines, "line"), ended]);
    }
  };
  await reached(1);
  return {
    acknowledged: () => rows,
    reached,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const MAKE = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1]); db.execute('pragma journal_mode=' + sys.argv[2])
db.executescript('''
create table "__EFMigrationsHistory" ("MigrationId" text primary key, "ProductVersion" text);
insert into "__EFMigrationsHistory" values ('20260101000000_Initial', '10.0.0'), ('20260301000000_AddAgents', '10.0.0');
create table users (id integer primary key, name text);
create table "odd ""name" (x) ;
create table written (id integer primary key, padding blob);
create virtual table search using fts5(body);
''')
db.executemany('insert into users(name) values (?)', [('user %d' % i,) for i in range(1000)])
db.execute('insert into search values (?)', ('words',))
db.commit(); db.close()
`;

const WRITE_AND_CLOSE = `
import sqlite3, sys, time
n = 0
while True:
    db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
    db.execute('insert into written(padding) values (zeroblob(2000))'); n += 1
    db.close()
    print(n, flush=True)
    time.sleep(0.2)
`;

const WRITE = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
n = 0
while True:
    db.execute('insert into written(padding) values (zeroblob(2000))'); n += 1
    print(n, flush=True)
`;
