import type { Candidate } from "../../model/rehearsal.ts";
import type { Outcome } from "./try-version.ts";

/** From worst to best. A candidate that is refused cannot take over the data: it failed. */
const order = ["damaged", "failed", "refused", "unverifiable", "unchanged", "passed"] as const;

/**
 * The result of all candidates together: that of the worst, so that it is good only if every one is. The table tells
 * which of them work. Pure.
 */
export function verdictOfCandidates(
  candidates: readonly Pick<Candidate, "reference" | "result" | "reason">[],
): Outcome {
  const place = ({ result }: Pick<Candidate, "result">) => order.indexOf(result);
  const [worst] = candidates.toSorted((a, b) => place(a) - place(b));
  if (worst === undefined) return { result: "unchanged" };
  const good = candidates.filter(({ result }) => result === "passed" || result === "unchanged");
  const isAnyNew = candidates.some(({ result }) => result === "passed");
  if (good.length === candidates.length) return { result: isAnyNew ? "passed" : "unchanged" };
  const { reference, reason } = worst;
  const passed = good.length === 0 ? "none" : good.map((one) => one.reference).join(", ");
  const why = reason?.message ?? `it is ${worst.result}`;
  const result = worst.result === "refused" && isAnyNew ? "failed" : worst.result;
  return {
    result,
    reason: {
      ...(reason ?? { class: worst.result }),
      message: `${good.length} of ${candidates.length} candidates work (${passed}); ${reference}: ${why}`,
    },
  };
}
