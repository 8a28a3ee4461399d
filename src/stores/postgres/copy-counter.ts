/** What the data of a dump holds, as `pg_restore --data-only --file=-` prints it. */
export interface CopyCounts {
  /** Rows by schema and table, as `[schema, table, rows]`. */
  readonly tables: readonly (readonly [string, string, number])[];
  readonly sequences: number;
}

const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
/** A COPY header is short; a line of a large object is not, and is not wanted. */
const KEPT_BYTES = 64 * 1024;
const NAME = String.raw`(?:"(?:[^"]|"")*"|[^".\s(]+)`;
const COPY = new RegExp(String.raw`^COPY (${NAME})\.(${NAME}) .*FROM stdin;$`);

/**
 * Counts the rows of every `COPY` in SQL that passes by. A row is one line: a newline in a value is escaped.
 */
export class CopyCounter {
  readonly #tables: [string, string, number][] = [];
  readonly #onOther: ((line: string) => void) | undefined;
  #sequences = 0;
  #copying: [string, string, number] | undefined;
  #line: Buffer = Buffer.alloc(0);

  /** @param onOther - sees every line that is no row, cut to 64 KiB */
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

  /** @throws Error when the last table's rows have no end. */
  counts(): CopyCounts {
    if (this.#copying !== undefined) throw new Error("the data of the last table has no end");
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
