/** What a failed or executed statement is, as far as a migration is concerned. */
export type StatementKind =
  | "history-probe"
  | "history-write"
  | "lock"
  | "schema"
  | "data"
  | "unknown";

const LOCK_TABLE = /__EF_?Migrations_?Lock/i;
const HISTORY_TABLE = /__EF_?Migrations_?History/i;
const HISTORY_COLUMNS = /["[`]?Migration_?Id["\]`]?\s*,\s*["[`]?Product_?Version/i;
const HISTORY_CREATE = /["[`]?Migration_?Id["\]`]?\s+\w[\s\S]{0,200}["[`]?Product_?Version/i;
const SCHEMA =
  /^(?:CREATE(?! (?:GLOBAL |LOCAL )?TEMP)|ALTER|DROP(?! TABLE (?:IF EXISTS )?["[`]?(?:#|temp))|RENAME|COMMENT ON|GRANT|REVOKE|DO \$|EXEC(?:UTE)? sp_rename|DECLARE @var|REINDEX|INSERT INTO "ef_temp_|PRAGMA foreign_keys)/i;

/**
 * Classifies SQL text. `history-probe` is what EF Core itself runs to see whether the history table
 * is there (its failure is swallowed); writes into that table are not probes. The columns count as
 * much as the name: the table can be renamed, and naming conventions change both.
 */
export function statementKind(sql: string): StatementKind {
  if (sql === "") return "unknown";
  const text = sql.length > 2_000 ? sql.slice(0, 2_000) : sql;
  if (LOCK_TABLE.test(text)) return "lock";
  const history = HISTORY_TABLE.test(text) || HISTORY_COLUMNS.test(text);
  if (history) {
    if (/^(?:INSERT|DELETE|UPDATE|LOCK|ALTER|DROP)\b/i.test(text)) return "history-write";
    return "history-probe";
  }
  if (/^CREATE TABLE\b/i.test(text) && HISTORY_CREATE.test(text)) return "history-probe";
  if (/^SELECT[\s\S]{0,200}\b(?:sqlite_master|pg_catalog|INFORMATION_SCHEMA)\b/i.test(text)) {
    return "history-probe";
  }
  if (SCHEMA.test(text)) return "schema";
  return /^(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|SET|PRAGMA|TRUNCATE|BEGIN|COMMIT|VACUUM)\b/i.test(
    text,
  )
    ? "data"
    : "unknown";
}
