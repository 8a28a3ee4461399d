/** The counts of a dump's data, as printed by `pg_restore --data-only --file=-`. */
export interface CopyCounts {
  /** Rows by schema and table, as `[schema, table, rows]`. */
  readonly tables: readonly (readonly [string, string, number])[];
  readonly sequences: number;
}

const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
/** Longer than any COPY header. Lines of large objects are longer and not needed. */
const KEPT_BYTES = 64 * 1024;
const NAME = String.raw`(?:"(?:[^"]|"")*"|[^".\s(]+)`;
const COPY = new RegExp(String.raw`^COPY (${NAME})\.(${NAME}) .*FROM stdin;$`);

/**
 * Counts the rows of every `COPY` in a stream of SQL. A row is one line: a newline in a value is escaped.
 */
export class CopyCounter {
  readonly #tables: [string, string, number][] = [];
  readonly #onOther: ((line: string) => void) | undefined;
  #sequences = 0;
  #copying: [string, string, number] | undefined;
  #line: Buffer = Buffer.alloc(0);

  /** @param onOther - called with every line that is not a row, cut to 64 KiB */
  constructor(onOther?: (line: string) => void) {
    this.#onOther = onOther;
  }

  update(chunk: Buffer): void {
    for (let at = 0; ; ) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) {
        if (this.#line.length < KEPT_BYTES) {
          this.#line = Buffer.concat([this.#line, chunk.subarray(at, at + KEPT_BYTES)]);
        }
        return;
      }
      if (this.#copying !== undefined && this.#line.length === 0) this.#row(chunk, at, end);
      else this.#onLine(Buffer.concat([this.#line, chunk.subarray(at, end)]));
      this.#line = Buffer.alloc(0);
      at = end + 1;
    }
  }

  /** @throws Error when the end mark of the last table is missing. */
  counts(): CopyCounts {
    if (this.#copying !== undefined) throw new Error("the data of the last table is truncated");
    return { tables: this.#tables, sequences: this.#sequences };
  }

  #row(bytes: Buffer, at: number, end: number): void {
    if (end - at === 2 && bytes[at] === BACKSLASH && bytes[at + 1] === DOT) {
      this.#copying = undefined;
    } else if (this.#copying !== undefined) this.#copying[2]++;
  }

  #onLine(line: Buffer): void {
    if (this.#copying !== undefined) {
      this.#row(line, 0, line.length);
      return;
    }
    const text = line.toString("utf8");
    this.#onOther?.(text);
    if (text.startsWith("SELECT pg_catalog.setval(")) this.#sequences++;
    const [, schema, table] = COPY.exec(text) ?? [];
    if (schema === undefined || table === undefined) return;
    this.#copying = [unquoted(schema), unquoted(table), 0];
    this.#tables.push(this.#copying);
  }
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
