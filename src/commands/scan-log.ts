import type { Clock } from "../core/clock.ts";
import { toText } from "../log-scan/bytes.ts";
import { type LogVerdict, type ScanOptions, scan } from "../log-scan/scan.ts";
import type { Check, Reason, Result } from "../model/result.ts";

/**
 * Scans a log with the rules of the upgrade gate.
 *
 * The result is `clean`, `failed` (the reason has the class, the decisive line and its meaning), or `unverifiable` if no
 * record of an application's log was recognized: the input may be an error of the engine, a page, or empty.
 *
 * @throws RefusedError if an extra pattern is not a regular expression.
 */
export function scanLog(
  log: Uint8Array,
  options: ScanOptions,
  deps: { readonly clock: Pick<Clock, "monotonicMs"> },
): Result {
  const begun = deps.clock.monotonicMs();
  const verdict = scan(toText(log), { ...options, doubted: true });
  const reason = reasonOf(verdict);
  return {
    result: verdict.verdict,
    seconds: (deps.clock.monotonicMs() - begun) / 1_000,
    checks: checksOf(verdict),
    ...(reason === undefined ? {} : { reason }),
  };
}

const UNREAD: Readonly<Record<NonNullable<LogVerdict["unread"]>, Reason>> = {
  empty: {
    class: "empty-log",
    message:
      "The log is empty, so nothing can be judged. Is it the right container, and does its log driver keep what it is given?",
  },
  unrecognised: {
    class: "unknown-log",
    message:
      "No record of an application's log was recognised, so nothing can be judged. Look at the text itself: is it an error of the command that should have printed the log?",
  },
};

function reasonOf(verdict: LogVerdict): Reason | undefined {
  if (verdict.unread !== undefined) return UNREAD[verdict.unread];
  const { decisive } = verdict;
  if (decisive === undefined) return undefined;
  return { class: decisive.class, message: decisive.meaning, evidence: decisive.evidence };
}

function checksOf(verdict: LogVerdict): Check[] {
  const { unread } = verdict;
  if (unread !== undefined) {
    const detail =
      unread === "empty" ? "the log is empty" : "no record of an application's log was recognised";
    return [{ name: "log", status: "unverifiable", detail }];
  }
  if (verdict.findings.length === 0) {
    const of = `${verdict.judged} of ${verdict.records} records belong to the last start`;
    return [{ name: "log", status: "pass", detail: `no sign of failure; ${of}` }];
  }
  return verdict.findings.map((finding) => ({
    name: finding.rule,
    ...(finding.service === "" ? {} : { component: finding.service }),
    status: "fail",
    detail: `line ${finding.line}: ${finding.evidence}`,
  }));
}
