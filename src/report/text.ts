import { formatBytes, formatSeconds, formatTable } from "../core/format.ts";
import type { Result } from "../model/result.ts";
import { shortDigest } from "./digest.ts";
import {
  backupTable,
  copyLines,
  countTable,
  differenceLines,
  entryTable,
  keptLines,
  planText,
  versionTable,
} from "./lists.ts";
import { plainLine, rehearsalSections } from "./rehearsal-sections.ts";

/** Enough to see what happened. The summary and the page show more. */
const lastLineCount = 12;

/** A result for the terminal: the verdict first, then the details. */
export function resultText(result: Result): string {
  const parts = [
    // With a reason, the verdict is already on standard error.
    result.reason === undefined ? verdictLine(result) : "",
    changeTable(result),
    rehearsalText(result),
    componentTable(result),
    entryTable(result),
    countTable(result),
    versionTable(result),
    differenceLines(result),
    backupTable(result),
    ...copyLines(result),
    ...keptLines(result),
    planText(result.plan),
    checkLines(result),
    ...(result.unknown ?? []).map((line) => `not known    ${line}`),
    idLine("wrote", result.written),
    ...texts(result.next).map((step) => `next: ${step}`),
    idLine("recovered first", result.recovered),
    idLine("removed", result.removed),
    ...(result.warnings ?? []).map((warning) => `warning: ${warning}`),
  ];
  const text = parts.filter((part) => part !== "").join("\n");
  return text === "" ? "" : `${text}\n`;
}

/** The reason of a failure for standard error: message, evidence, what to do. */
export function failureText(result: Result): string {
  const { reason } = result;
  if (reason === undefined) return "";
  const last = Object.entries(result.lastLines ?? {}).flatMap(([name, lines]) =>
    lines.length === 0
      ? [`${name} logged nothing`]
      : [`last lines of ${name}:`, indented(lines.slice(-lastLineCount).join("\n"))],
  );
  const bug = result.result === "error";
  const report = "this is a bug: please report it at the project's issues, with the text above";
  const lines = [
    `${result.result}: ${reason.message}`,
    reason.evidence === undefined ? "" : indented(reason.evidence),
    reason.hint ?? "",
    ...last,
    bug ? report : "",
  ];
  return lines.filter((line) => line !== "").join("\n");
}

function verdictLine(result: Result): string {
  const facts = [
    result.backupId,
    result.level === undefined ? undefined : `level ${result.level}`,
    result.path,
    result.downtimeSeconds === undefined
      ? undefined
      : `downtime ${formatSeconds(result.downtimeSeconds)}`,
    formatSeconds(result.seconds),
  ];
  return [`${result.result}:`, facts.filter((fact) => fact !== undefined).join(", ")].join(" ");
}

function changeTable({ services = [] }: Result): string {
  if (services.length === 0) return "";
  const rows = services.map(({ service, from, fromDigest, to, toDigest }) => [
    service,
    `${from} (${shortDigest(fromDigest)})`,
    `${to} (${shortDigest(toDigest)})`,
  ]);
  return formatTable([["service", "from", "to"], ...rows]);
}

function rehearsalText(result: Result): string {
  return rehearsalSections(result)
    .map(({ title, lines }) => `${title}\n${indented(lines.map(plainLine).join("\n"))}`)
    .join("\n");
}

function componentTable(result: Result): string {
  if (result.components === undefined || result.components.length === 0) return "";
  const rows = result.components.map((component) => [
    component.name,
    formatBytes(component.bytes),
    component.plainBytes === undefined ? "-" : formatBytes(component.plainBytes),
    component.seconds === undefined ? "-" : formatSeconds(component.seconds),
    component.summary ?? "",
  ]);
  return formatTable([["component", "stored", "data", "time", "holds"], ...rows]);
}

/** More passed checks than this are told by their number: what matters stands among them unseen. */
const mostPassed = 12;

function checkLines({ checks = [] }: Result): string {
  const passed = checks.filter(({ status }) => status === "pass");
  const isLong = passed.length > mostPassed;
  const shown = isLong ? checks.filter(({ status }) => status !== "pass") : checks;
  const lines = shown.map(({ name, component, status, detail }) => {
    const of = component === undefined ? "" : ` ${component}`;
    return `${status.padEnd(12)} ${name}${of}: ${detail}`;
  });
  const rest = `${passed.length} of ${checks.length} checks passed; --json and --report-path list them`;
  return [...lines, ...(isLong ? [rest] : [])].join("\n");
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function idLine(what: string, ids: unknown): string {
  return Array.isArray(ids) && ids.length > 0 ? `${what}: ${ids.join(", ")}` : "";
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
