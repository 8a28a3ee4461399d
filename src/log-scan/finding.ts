import { CLASS_MEANING, type FailureClass } from "./failure-class.ts";
import { causeOf, type FoundCause } from "./find-cause.ts";
import { saysRetry } from "./migration-wording.ts";
import { quoteOf, textOf } from "./quote.ts";
import type { LogRecord } from "./record.ts";
import type { Lasts } from "./rule.ts";
import { framesOf } from "./stack-frames.ts";

/** Something in the log that means failure unless a later record undoes it. */
export interface Finding {
  readonly rule: string;
  readonly class: FailureClass | undefined;
  /** The class follows from where it happened: the record names no cause. */
  readonly guessed: boolean;
  readonly lasts: Lasts;
  readonly service: string;
  /** One-based line of the record in the log. */
  readonly line: number;
  /** The decisive line, shortened, without passwords. */
  readonly evidence: string;
  readonly meaning: string;
  /** The migration that was being applied. */
  readonly migration: string | undefined;
  /** It goes away by itself when tried again: no connection yet, a lock. */
  readonly transient: boolean;
  /** The record itself says that it will be tried again. */
  readonly retried: boolean;
}

/** Why a record counts as a failure. */
export interface Charge {
  readonly rule: string;
  readonly lasts: Lasts;
  readonly meaning: string;
  readonly class?: FailureClass | undefined;
  readonly migration?: string | undefined;
  /** The sentence to quote, where it is not the line that names the cause. */
  readonly quote?: RegExp | undefined;
  /** The error before the record is what a person would quote. */
  readonly after?: boolean | undefined;
}

/** Makes a finding of a record, with the cause that it names and the line that says so. */
export function findingOf(record: LogRecord, charge: Charge): Finding {
  const cause = causeInRecord(record);
  const dying = charge.lasts === "ended" && charge.migration !== undefined;
  const { migrator, preparation } = framesOf(record.exception);
  const migrating = dying || migrator || preparation ? "migration" : undefined;
  const known = charge.class ?? cause?.class;
  const kind = known ?? migrating;
  return {
    rule: charge.rule,
    class: kind,
    guessed: known === undefined,
    lasts: charge.lasts,
    service: record.service,
    line: record.line,
    evidence: quoteOf(record, cause, charge.quote),
    meaning: kind === undefined ? charge.meaning : `${charge.meaning} ${CLASS_MEANING[kind]}`,
    migration: charge.migration,
    transient: isTransient(kind),
    retried: saysRetry(record.message),
  };
}

/** The finding with the class and the line of an exception that follows it; undefined if that tells none. */
export function explained(finding: Finding, record: LogRecord): Finding | undefined {
  const said = textOf(
    record.form === "raw" ? record : { message: "", exception: record.exception },
  );
  const cause = causeOf(said);
  if (cause === undefined) return undefined;
  return {
    ...finding,
    class: cause.class,
    guessed: false,
    line: record.line,
    evidence: quoteOf(record, cause),
    meaning: `${finding.meaning} ${CLASS_MEANING[cause.class]}`,
    transient: isTransient(cause.class),
  };
}

function isTransient(kind: FailureClass | undefined): boolean {
  return kind === "database-connection" || kind === "lock-timeout";
}

function causeInRecord(record: LogRecord): FoundCause | undefined {
  // A failed statement names no reason, but its data may hold words that look like one.
  if (record.kind === "command-failed") return causeOf(textOf({ ...record, message: "" }));
  return causeOf(textOf(record));
}
