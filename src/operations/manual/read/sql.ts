import { readArchive } from "../../../archive/read-archive.ts";
import type { Check } from "../../../model/result.ts";
import { failedCheck } from "../../../stores/check-result.ts";
import { CopyCounter } from "../../../stores/postgres/copy-counter.ts";
import type { HandMadeFile } from "../find-files.ts";
import { PlainSqlGuard } from "./plain-sql.ts";
import { type ExamineContext, type Examined, unknownOfAll } from "./read-result.ts";

const HEAD = /^-- PostgreSQL database (cluster )?dump\r?$/;
/** The last line that `pg_dump` writes, before an `\unrestrict` in newer versions. */
const COMPLETE = "-- PostgreSQL database dump complete";
const VERSION = /^-- Dumped from database version ((\d+)\S*)/;
/** They would make `psql` leave the database that it fills. */
const LEADS_AWAY = /^(\\c(onnect)? |CREATE DATABASE |DROP DATABASE |ALTER DATABASE \S+ RENAME)/;
const AFTER_END = /^(--.*|\\unrestrict \S+|)$/;

/**
 * Reads a plain SQL dump to its end. `psql` would accept half of a dump, so its last line decides.
 *
 * @throws the reason of the signal. Damage is a failed check.
 */
export async function examineSql(
  file: HandMadeFile,
  { signal }: Pick<ExamineContext, "signal">,
): Promise<Examined> {
  const subject = { name: "pg_dump", component: file.name };
  const reader = new SqlReader();
  try {
    for await (const chunk of readArchive({ file: file.path, compressed: false, signal })) {
      reader.update(chunk);
    }
    reader.end();
  } catch (error) {
    signal.throwIfAborted();
    return { file, checks: [failedCheck(subject, error)], unknown: unknownOfAll, counts: {} };
  }
  return {
    ...{ file, tables: reader.tables() ?? [], counts: {}, server: reader.server },
    checks: [reader.check(subject)],
    unknown: [
      ...unknownOfAll,
      "a plain SQL dump has no checksum inside: a changed letter or number in it is not seen; pg_dump -Fc has one",
      ...unknownOfDumps,
    ],
  };
}

/** What a dump of one database never contains. */
export const unknownOfDumps: readonly string[] = [
  "roles, their passwords and the settings of the database: a dump of one database does not hold them",
  "other databases of the server",
];

/** Reads the lines of a dump that are not rows. */
class SqlReader {
  readonly #counter = new CopyCounter((line) => this.#onLine(line));
  readonly #guard = new PlainSqlGuard();
  #lines = 0;
  #head: string | undefined;
  #complete: boolean = false;
  #after: string | undefined;
  #leadsAway: string | undefined;
  #terminal: boolean = false;
  server: Examined["server"];

  update(chunk: Buffer): void {
    this.#counter.update(chunk);
    this.#guard.update(chunk);
  }

  end(): void {
    this.#guard.end();
  }

  /** The rows by table; undefined if the end of a table's rows is missing. */
  tables(): Examined["tables"] {
    // The last line may lack its newline.
    this.#counter.update(Buffer.from("\n"));
    try {
      return this.#counter.counts().tables;
    } catch {
      return undefined;
    }
  }

  check(subject: Pick<Check, "name" | "component">): Check {
    const tables = this.tables();
    const problem = this.#problem();
    if (problem !== undefined) return { ...subject, ...problem };
    if (tables === undefined) {
      return { ...subject, status: "fail", detail: "the rows of its last table have no end" };
    }
    const rows = tables.reduce((sum, [, , count]) => sum + count, 0);
    const of = this.server === undefined ? "" : `, of PostgreSQL ${this.server.version}`;
    const detail = `complete: ${tables.length} tables, ${rows} rows${of}`;
    return { ...subject, status: "pass", detail };
  }

  #problem(): Pick<Check, "status" | "detail"> | undefined {
    if (this.#head === undefined) {
      return { status: "fail", detail: "it does not begin as a dump of pg_dump does" };
    }
    if (this.#terminal) {
      const detail = "a terminal has rewritten its line ends: pg_dump was run without `-T`";
      return { status: "fail", detail };
    }
    if (this.#leadsAway !== undefined || this.#head.includes("cluster")) {
      const detail = `it is a dump of more than one database (${this.#leadsAway ?? "pg_dumpall"}), which is not judged here: restore it by hand into an empty server`;
      return { status: "unverifiable", detail };
    }
    if (!this.#complete) {
      return { status: "fail", detail: `it ends early: "${COMPLETE}" is not there` };
    }
    if (this.#after !== undefined) {
      return { status: "fail", detail: `it goes on after its end: ${this.#after.slice(0, 80)}` };
    }
    if (this.#guard.problem === undefined) return undefined;
    const detail = `it was not run: ${this.#guard.problem} is not what pg_dump writes for one database, and could reach other databases, roles or files; restore it by hand into a server of its own`;
    return { status: "unverifiable", detail };
  }

  #onLine(line: string): void {
    this.#lines++;
    if (this.#lines <= 4 && HEAD.test(line)) this.#head = line;
    if (this.#lines <= 4 && line.endsWith("\r")) this.#terminal = true;
    const [, version, major] = VERSION.exec(line) ?? [];
    if (this.server === undefined && version !== undefined) {
      this.server = { version, major: Number(major) };
    }
    if (line === COMPLETE) this.#complete = true;
    else if (this.#complete && !AFTER_END.test(line)) this.#after ??= line;
    if (LEADS_AWAY.test(line)) this.#leadsAway ??= line;
  }
}
