import type { LogEvent } from "./event.ts";
import { type Kind, kindOf, migrationName, statementOf } from "./event-kind.ts";
import { RULES } from "./failure-rules.ts";
import { HARMLESS } from "./ignore-rules.ts";
import type { Rule } from "./rule.ts";
import { type StatementKind, statementKind } from "./sql-statement.ts";

/** A record with what it means, read once and used by every later step. */
export interface LogRecord extends LogEvent {
  readonly kind: Kind;
  /** What the SQL of a 20101 or 20102 is. */
  readonly statement: StatementKind | undefined;
  /** The migration of a 20401 or 20402. */
  readonly migration: string | undefined;
  /** The exit code of a Compose exit line. */
  readonly exitCode: number | undefined;
  /** The first failure rule that fits. */
  readonly rule: Rule | undefined;
}

const EXIT = /^(\S+)\s+exited with code (\d+)/;
/** Longest part of a message or an exception that a rule is tried on. */
const WINDOW = 600;

/** Reads one event's meaning. */
export function toRecord(event: LogEvent): LogRecord {
  const kind = kindOf(event);
  const exit = kind === "exit" ? EXIT.exec(event.message) : null;
  const sql = kind === "executed" || kind === "command-failed" ? statementOf(event) : undefined;
  return {
    ...event,
    service: exit?.[1] ?? event.service,
    kind,
    statement: sql === undefined ? undefined : statementKind(sql),
    migration: kind === "applying" || kind === "reverting" ? migrationName(event) : undefined,
    exitCode: exit === null ? undefined : Number(exit[2]),
    rule: kind === "other" || kind === "host-failed" ? ruleFor(event) : undefined,
  };
}

/** The name of the harmless rule that takes a record out of the judgement, if any. */
export function harmlessRule(event: LogEvent): string | undefined {
  const text = event.message === "" ? event.exception : event.message;
  for (const rule of HARMLESS) {
    if (event.level !== "fatal" && rule.category?.test(event.category)) return rule.name;
    if (rule.pattern?.test(text.length > WINDOW ? text.slice(0, WINDOW) : text)) return rule.name;
    if (rule.exception?.test(event.exception.slice(0, WINDOW))) return rule.name;
  }
  return undefined;
}

function ruleFor(event: LogEvent): Rule | undefined {
  const quiet = event.level === "info" || event.level === "debug" || event.level === "trace";
  const texts = [event.message, event.exception].map((text) =>
    text.length > WINDOW ? text.slice(0, WINDOW) : text,
  );
  for (const rule of RULES) {
    if (quiet && event.form !== "postgres" && rule.where !== "any") continue;
    if (!applies(rule, event)) continue;
    if (texts.some((text) => text !== "" && rule.pattern.test(text))) return rule;
  }
  return undefined;
}

function applies(rule: Rule, event: LogEvent): boolean {
  const { level } = event;
  if (event.form === "redis" && rule.store !== true)
    return rule.where === "raw" && level === "warn";
  if (rule.where === "postgres" || event.form === "postgres") {
    const grave = level === "error" || level === "fatal";
    return rule.where === event.form && grave;
  }
  switch (rule.where) {
    case "raw":
      return event.form === "raw";
    case "failing":
      return level === undefined || level === "warn" || level === "error" || level === "fatal";
    case "error":
      return level === undefined || level === "error" || level === "fatal";
    case "fatal":
      return level === "fatal";
    case "any":
      return true;
  }
}
