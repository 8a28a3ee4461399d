/**
 * What pg_dump writes into a plain dump of one database, by the beginning of the statement. Texts and quoted names are
 * empty here, letters are capital, and blanks are single.
 */
const statements: readonly RegExp[] = [
  /^SET (STATEMENT_TIMEOUT|LOCK_TIMEOUT|IDLE_IN_TRANSACTION_SESSION_TIMEOUT|TRANSACTION_TIMEOUT) = 0$/,
  /^SET (CHECK_FUNCTION_BODIES|XMLOPTION|CLIENT_MIN_MESSAGES|ROW_SECURITY|ESCAPE_STRING_WARNING) = \w+$/,
  /^SET (DEFAULT_TABLESPACE|DEFAULT_TABLE_ACCESS_METHOD|DEFAULT_WITH_OIDS) = ('|"|\w)[^(]*$/,
  /^SET (STANDARD_CONFORMING_STRINGS = ON|CLIENT_ENCODING = '')$/,
  /^SELECT PG_CATALOG\.SET_CONFIG\('', '', FALSE\)$/,
  /^SELECT PG_CATALOG\.SETVAL\('', \d+, (TRUE|FALSE)\)$/,
  /^CREATE (OR REPLACE )?(UNLOGGED |TEMP )?(TABLE|SCHEMA|TYPE|DOMAIN|SEQUENCE|VIEW|MATERIALIZED VIEW|FUNCTION|PROCEDURE|AGGREGATE|CAST|COLLATION|CONVERSION|OPERATOR|RULE|STATISTICS|POLICY|TEXT SEARCH|CONSTRAINT TRIGGER|TRIGGER|UNIQUE INDEX|INDEX|PUBLICATION)\b/,
  /^SELECT PG_CATALOG\.(LO_CREATE\(''\)|LO_OPEN\('', \d+\)|LOWRITE\(0, ''\)|LO_CLOSE\(0\))$/,
  /^ALTER LARGE OBJECT \d+ OWNER TO /,
  /^CREATE EXTENSION (IF NOT EXISTS )?/,
  /^ALTER (TABLE|INDEX|SCHEMA|TYPE|DOMAIN|SEQUENCE|VIEW|MATERIALIZED VIEW|FUNCTION|PROCEDURE|AGGREGATE|COLLATION|CONVERSION|OPERATOR|STATISTICS|TEXT SEARCH|PUBLICATION|DEFAULT PRIVILEGES)\b/,
  /^DROP (TABLE|INDEX|SCHEMA|TYPE|DOMAIN|SEQUENCE|VIEW|MATERIALIZED VIEW|FUNCTION|PROCEDURE|AGGREGATE|CAST|COLLATION|CONVERSION|OPERATOR|RULE|STATISTICS|POLICY|TEXT SEARCH|TRIGGER|EXTENSION|PUBLICATION)\b/,
  /^COMMENT ON (?!DATABASE|ROLE|TABLESPACE)/,
  /^(GRANT|REVOKE) [^;]* ON (?!DATABASE|TABLESPACE|PARAMETER|LANGUAGE|FOREIGN)/,
  /^REFRESH MATERIALIZED VIEW /,
  // Values only: a function in their place would run as the superuser.
  insertOf("(?:[EBXN]?''|-?[\\d.]+(?:E[+-]?\\d+)?|NULL|TRUE|FALSE|DEFAULT)"),
];

/** Values only: a function in their place would run as the superuser. */
function insertOf(value: string): RegExp {
  const row = String.raw`\(${value}(?:, ${value})*\)`;
  return new RegExp(
    String.raw`^INSERT INTO [^()]+(?:\([^()]*\) )?(?:OVERRIDING SYSTEM VALUE )?VALUES ${row}(?:, ${row})*(?: ON CONFLICT DO NOTHING)?$`,
  );
}

const copyFromInput = /^COPY [^()]+(\([^()]*\) )?FROM STDIN$/;

/** What these statements must not hold anywhere, as that reaches out of the database or runs other languages. */
const reachesOut: readonly [RegExp, string][] = [
  [/\bLANGUAGE (?!(SQL|PLPGSQL)\b)/, "a function in another language than SQL and PL/pgSQL"],
  [/^CREATE (UNLOGGED |TEMP )?TABLE [^()]+(\([^()]*\) )?AS /, "a table made by a query"],
  [
    /^CREATE (OR REPLACE )?CONVERSION|^CREATE TYPE .*\bINPUT\b/,
    "a function of the server's own code",
  ],
  [/\bU&""/, "a name with escapes"],
  [/\bALTER SYSTEM\b|\bPROGRAM\b(?= '')/, "a command for the server"],
];
/** The superuser may write into the server's own tables, of which some belong to all databases. */
const ofSystem =
  /^(?:COPY|INSERT INTO|REFRESH MATERIALIZED VIEW|(?:CREATE|ALTER|DROP)(?: (?:OR REPLACE|UNLOGGED|TEMP|UNIQUE|CONSTRAINT|FOREIGN))* (?:TABLE|SCHEMA|TYPE|DOMAIN|SEQUENCE|(?:MATERIALIZED )?VIEW|FUNCTION|PROCEDURE|AGGREGATE|COLLATION|CONVERSION|OPERATOR(?: CLASS| FAMILY)?|STATISTICS|INDEX|TEXT SEARCH \w+))(?: (?:ONLY|CONCURRENTLY|IF (?:NOT )?EXISTS))* "*(?:pg_|information_schema\b)/i;
const extensionsOut =
  /\b(dblink|file_fdw|postgres_fdw|adminpack|pg_cron|pg_background|plsh|\w+u)\b/i;
/** In these encodings of clients a letter may end in the byte of a backslash. */
const unsafeEncodings = /SJIS|SHIFT|BIG5|GBK|UHC|GB18030|JOHAB/i;
/** A longer statement is not judged. */
const keptLetters = 2 ** 20;
/** Enough to see whole what begins here: a quote's tag, or a command of psql. */
const aheadLetters = 256;

type Mode = "sql" | "line-comment" | "comment" | "text" | "escaped" | "name" | "dollar" | "copy";

/**
 * Reads plain SQL as psql does, and finds what a dump of one database never holds: commands of psql itself (anything with
 * a backslash outside of texts, comments and rows), ends of the transaction, and statements that reach other databases,
 * roles, files or programs. What it does not know counts as such.
 */
export class PlainSqlGuard {
  #mode: Mode = "sql";
  #depth = 0;
  #tag = "";
  #line = "";
  #lineNumber = 1;
  #seen = "";
  #raw = "";
  #word = "";
  #isBegun: boolean = false;
  #afterEscaped: boolean = false;
  #copyNext: boolean = false;
  #rest = "";
  #previous = "\n";
  /** The first thing that a dump never holds, with its line; undefined so far. */
  problem: string | undefined;

  /**
   * Reads a piece. Nothing more is read after the first problem.
   *
   * @returns what was read so far without the dump's own restrictions and transactions.
   */
  update(chunk: Buffer): Buffer {
    // Byte by byte: no byte of a longer letter of UTF-8 is one of those that count here.
    return this.#read(this.#rest + chunk.toString("latin1"), aheadLetters);
  }

  /** Reads the end. @returns as {@link update}. */
  end(): Buffer {
    const rest = this.#read(`${this.#rest}\n`, 0);
    if (this.#mode !== "sql" || this.#isBegun) this.#refuse("a statement without its end");
    return rest;
  }

  #read(text: string, ahead: number): Buffer {
    const kept: string[] = [];
    let [at, from] = [0, 0];
    while (this.problem === undefined && (this.#mode === "copy" || at + ahead < text.length)) {
      if (this.#mode !== "copy") {
        const own = this.#ownCommand(text, at);
        if (own === 0) at += this.#step(text, at);
        else {
          kept.push(text.slice(from, at));
          at += own;
          from = at;
        }
        this.#previous = text[at - 1] ?? "\n";
        continue;
      }
      const end = text.indexOf("\n", at);
      const row = text.slice(at, end < 0 ? text.length : end);
      if (row.includes("\0")) this.#refuse("a NUL");
      this.#line = (this.#line + row.slice(0, 4)).slice(0, 4);
      at += row.length;
      if (end < 0) break;
      at++;
      this.#previous = "\n";
      this.#endRow();
    }
    this.#rest = text.slice(at);
    kept.push(text.slice(from, at));
    return Buffer.from(kept.join(""), "latin1");
  }

  #endRow(): void {
    this.#lineNumber++;
    if (this.#line === "\\." || this.#line === "\\.\r") this.#mode = "sql";
    this.#line = "";
  }

  /** @returns how many letters it has read. */
  #step(text: string, at: number): number {
    const letter = text[at] ?? "";
    if (letter === "\n") this.#lineNumber++;
    if (letter === "\0") this.#refuse("a NUL");
    switch (this.#mode) {
      case "line-comment":
        // For psql a carriage return is an end of the line, too.
        if (letter === "\n" || letter === "\r") this.#mode = "sql";
        return 1;
      case "comment":
        return this.#inComment(letter, text[at + 1]);
      case "text":
      case "escaped":
        return this.#inText(letter, text[at + 1]);
      case "name":
        this.#keepRaw(letter);
        if (letter === '"') this.#mode = "sql";
        return 1;
      case "dollar":
        return this.#inDollar(letter);
      default:
        return this.#inSql(text, at, letter);
    }
  }

  #inComment(letter: string, next: string | undefined): number {
    if (letter === "/" && next === "*") this.#depth++;
    else if (letter === "*" && next === "/") this.#depth--;
    else return 1;
    if (this.#depth === 0) this.#mode = "sql";
    return 2;
  }

  #inText(letter: string, next: string | undefined): number {
    this.#keepRaw(letter);
    if (letter === "'" && next === "'") return 2;
    if (letter === "'") {
      this.#afterEscaped = this.#mode === "escaped";
      this.#mode = "sql";
    } else if (letter === "\\" && this.#mode === "escaped") {
      if (next === "\n") this.#lineNumber++;
      return 2;
    }
    return 1;
  }

  #inDollar(letter: string): number {
    this.#line = (this.#line + letter).slice(-this.#tag.length);
    if (this.#line !== this.#tag) return 1;
    this.#mode = "sql";
    this.#line = "";
    return 1;
  }

  #inSql(text: string, at: number, letter: string): number {
    const next = text[at + 1] ?? "";
    if (
      /[\w\x80-\xff]/.test(letter) ||
      (letter === "$" && this.#word !== "" && !/^\d/.test(this.#word))
    ) {
      if (this.#copyNext) this.#refuse("more on the line of a COPY");
      this.#begin(letter);
      this.#word += letter;
      return 1;
    }
    const word = this.#word;
    this.#word = "";
    if (letter === "-" && next === "-") {
      this.#mode = "line-comment";
      return 2;
    }
    if (letter === "/" && next === "*") {
      [this.#mode, this.#depth] = ["comment", 1];
      return 2;
    }
    if (letter === "\n" && this.#copyNext) {
      this.#copyNext = false;
      [this.#mode, this.#line] = ["copy", ""];
      return 1;
    }
    if (/\s/.test(letter)) {
      this.#keepRaw(letter);
      if (this.#isBegun && !this.#seen.endsWith(" ")) this.#see(" ");
      return 1;
    }
    if (this.#copyNext) this.#refuse("more on the line of a COPY");
    if (letter === "\\") this.#refuse("a command of psql");
    if (letter === ";") {
      this.#onStatement();
      return 1;
    }
    if (letter === ":" && /[\w'"{]/.test(next) && this.#previous !== ":")
      this.#refuse("a variable of psql");
    if (letter === "'") return this.#quote(word);
    if (letter === '"') {
      this.#begin('""');
      this.#mode = "name";
      return 1;
    }
    if (letter === "$") return this.#dollar(text, at);
    this.#begin(letter);
    return 1;
  }

  #quote(word: string): number {
    if (this.#afterEscaped) this.#refuse("a text with escapes that goes on");
    this.#begin("''");
    this.#mode = /^e$/i.test(word) ? "escaped" : "text";
    return 1;
  }

  #dollar(text: string, at: number): number {
    const [tag] = /^\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/.exec(text.slice(at, at + 70)) ?? [];
    if (tag !== undefined) {
      this.#begin("''");
      [this.#mode, this.#tag, this.#line] = ["dollar", tag, ""];
      return tag.length;
    }
    this.#refuse("a dollar sign");
    return 1;
  }

  /**
   * What a dump says for a psql that reads nothing else: the only commands of psql in it keep psql from obeying others, and
   * the large objects are a transaction of their own. Here all of it is in one transaction of a restricted psql.
   *
   * @returns the length.
   */
  #ownCommand(text: string, at: number): number {
    if (this.#previous !== "\n" || this.#mode !== "sql" || this.#isBegun || this.#copyNext)
      return 0;
    const line = text.slice(at, at + 200);
    const own = /^(?:\\(?:un)?restrict [A-Za-z0-9]+|BEGIN;|COMMIT;)(?=\r?\n)/.exec(line)?.[0];
    return own?.length ?? 0;
  }

  #begin(seen: string): void {
    this.#isBegun = true;
    this.#afterEscaped = false;
    this.#see(seen);
    this.#keepRaw(seen);
  }

  #see(letters: string): void {
    if (this.#seen.length < keptLetters) this.#seen += letters;
  }

  #keepRaw(letter: string): void {
    if (this.#raw.length < keptLetters) this.#raw += letter;
  }

  #onStatement(): void {
    const seen = this.#seen.trim().toUpperCase().replace(/ ?, ?/g, ", ");
    const raw = this.#raw.trim();
    [this.#seen, this.#raw, this.#isBegun, this.#afterEscaped] = ["", "", false, false];
    if (seen === "") return;
    if (seen.length >= keptLetters) this.#refuse("a statement that is too long to be judged");
    if (ofSystem.test(raw.replace(/\s+/g, " ")))
      this.#refuse("a change of the server's own catalogs");
    if (copyFromInput.test(seen)) {
      this.#copyNext = true;
      return;
    }
    const out = whyNot(seen, raw);
    if (out !== undefined) this.#refuse(out);
  }

  #refuse(what: string): void {
    this.problem ??= `line ${this.#lineNumber}: ${what}`;
  }
}

function whyNot(seen: string, raw: string): string | undefined {
  if (!statements.some((one) => one.test(seen))) return `${seen.slice(0, 60)} …`;
  const out = reachesOut.find(([pattern]) => pattern.test(seen));
  if (out !== undefined) return out[1];
  if (seen.startsWith("CREATE EXTENSION") && extensionsOut.test(raw))
    return "an extension that reaches out of the database";
  if (seen.startsWith("SELECT PG_CATALOG.SET_CONFIG") && !/SET_CONFIG\(''search_path'/i.test(raw)) {
    return "a setting that no dump makes";
  }
  return seen.startsWith("SET CLIENT_ENCODING") && unsafeEncodings.test(raw)
    ? "an encoding in which texts are ambiguous"
    : undefined;
}
