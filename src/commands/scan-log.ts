import type { Clock } from "../core/clock.ts";
import { type LogVerdict, type ScanOptions, scan } from "../log-scan/scan.ts";
import type { Check, Reason, Result } from "../model/result.ts";

/**
 * Judges a log by the rules of the upgrade's gate.
 *
 * The result is `clean`, `failed` (with the class, the decisive line and what it means as its reason),
 * or `unverifiable` where the text holds nothing to judge.
 *
 * @throws RefusedError where an extra pattern is no regular expression.
 */
export function scanLog(
  text: string,
  options: ScanOptions,
  deps: { readonly clock: Pick<Clock, "monotonicMs"> },
): Result {
  const begun = deps.clock.monotonicMs();
  const verdict = scan(text, options);
  const reason = reasonOf(verdict);
  return {
    result: verdict.verdict,
    seconds: (deps.clock.monotonicMs() - begun) / 1_000,
    checks: checksOf(verdict),
    ...(reason === undefined ? {} : { reason }),
  };
}

function reasonOf(verdict: LogVerdict): Reason | undefined {
  if (verdict.verdict === "unverifiable") {
    return {
      class: "empty-log",
      message:
        "The log is empty, so nothing can be judged. Is it the right container, and does its log driver keep what it is given?",
    };
  }
  const { decisive } = verdict;
  if (decisive === undefined) return undefined;
  return { class: decisive.class, message: decisive.meaning, evidence: decisive.evidence };
}

function checksOf(verdict: LogVerdict): Check[] {
  if (verdict.verdict === "unverifiable") {
    return [{ name: "log", status: "unverifiable", detail: "the log is empty" }];
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
