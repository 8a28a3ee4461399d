import type { Check, Reason } from "../../model/result.ts";

/** The migrations that EF Core's history tables hold, by database, each in order. */
export type Histories = Readonly<Record<string, readonly string[]>>;

/** What the histories say of a version that has started. */
export interface SchemaVerdict {
  readonly checks: readonly Check[];
  /** Set where the schema is not what the log said, or lost what it was. */
  readonly reason?: Reason;
  /** Migrations that the log said are being applied and that no history holds yet. */
  readonly pending: readonly string[];
}

/**
 * Compares the histories with those of before and with what the log said.
 *
 * @param before - read before the new version ran
 * @param after - read now; a database that cannot be read any more is absent
 * @param announced - the migrations that the log of the last start said it applies
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
  const detail = `applied according to the log, and not in the history: ${pending.join(", ")}`;
  return {
    checks: [...checks, { name: "schema", status: "fail", detail }],
    pending,
    reason: { class: "migration", message: `a migration is not complete: ${detail}` },
  };
}

/** Where no history can be read at all, the log is all there is; that is said. */
function unseen({ length }: readonly string[]): Check[] {
  if (length === 0) return [];
  const detail = "the log tells of migrations, and no database of the stack has a history of them";
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
    return check("fail", `migrations of before are no longer in the history: ${gone.join(", ")}`);
  }
  const same = after.length === before.length;
  return check("pass", same ? `${now}, as before` : `${now}; it was ${before.at(-1) ?? "none"}`);
}

function counted({ length }: readonly string[]): string {
  return length === 1 ? "1 migration" : `${length} migrations`;
}
