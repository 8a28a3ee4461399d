import type { Check, Reason } from "../../model/result.ts";

/** The migrations in EF Core's history tables, by database, in order. */
export type Histories = Readonly<Record<string, readonly string[]>>;

/** The verdict on the migration histories of a started version. */
export interface SchemaVerdict {
  readonly checks: readonly Check[];
  /** Set if an announced migration is not in a history, or an earlier one is no longer there. */
  readonly reason?: Reason;
  /** Migrations that the log announced and that no history contains yet. */
  readonly pending: readonly string[];
}

/**
 * Compares the current histories with the earlier ones and with the log.
 *
 * @param before - the histories before the new version ran
 * @param after - the current histories; a database that can no longer be read is absent
 * @param announced - the migrations that the log of the last start announced
 */
export function judgeSchema(
  before: Histories,
  after: Histories,
  announced: readonly string[],
): SchemaVerdict {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const checks = names.map((name) => checkOf(name, before[name], after[name]));
  if (names.length === 0) return { checks: unseen(announced), pending: [] };
  const held = new Set(Object.values(after).flat());
  const pending = announced.filter((one) => !held.has(one));
  const lost = checks.find(({ status }) => status === "fail");
  if (lost !== undefined) {
    const message = `${lost.component}: ${lost.detail}`;
    return { checks, pending, reason: { class: "schema-conflict", message } };
  }
  if (pending.length === 0) return { checks, pending };
  const detail = `applied according to the log, but not in the history: ${pending.join(", ")}`;
  return {
    checks: [...checks, { name: "schema", status: "fail", detail }],
    pending,
    reason: { class: "migration", message: `a migration is not complete: ${detail}` },
  };
}

/** Without any history, only the log shows migrations: the check is reported as unverifiable. */
function unseen({ length }: readonly string[]): Check[] {
  if (length === 0) return [];
  const detail =
    "the log mentions migrations, but no database of the stack has a migration history";
  return [{ name: "schema", status: "unverifiable", detail }];
}

function checkOf(
  component: string,
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
): Check {
  const check = (status: Check["status"], detail: string): Check => {
    return { name: "schema", component, status, detail };
  };
  if (after === undefined) return check("fail", "its migration history is gone or unreadable");
  const head = after.at(-1) ?? "none";
  const now = `${counted(after)}, the last is ${head}`;
  if (before === undefined) return check("pass", `${now}; there was no history before`);
  const held = new Set(after);
  const gone = before.filter((one) => !held.has(one));
  if (gone.length > 0) {
    return check("fail", `earlier migrations are no longer in the history: ${gone.join(", ")}`);
  }
  const same = after.length === before.length;
  return check("pass", same ? `${now}, as before` : `${now}; it was ${before.at(-1) ?? "none"}`);
}

function counted({ length }: readonly string[]): string {
  return length === 1 ? "1 migration" : `${length} migrations`;
}
