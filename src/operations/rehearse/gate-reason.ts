import type { Check } from "../../model/result.ts";
import type { WatchVerdict } from "../gate/watch.ts";

/** The reason of a verdict, as a member that is absent if there is none. */
export function reasonIn({ reason }: WatchVerdict): Pick<WatchVerdict, "reason"> {
  return reason === undefined ? {} : { reason };
}

/** A gate that failed for a reason that is in none of its checks. */
export function undecided({ passed, checks, reason }: WatchVerdict): Check[] {
  if (passed || checks.some(({ status }) => status === "fail")) return [];
  const detail = reason?.message ?? "the old version is not good";
  return [{ name: `${reason?.class ?? "gate"} after`, status: "fail", detail }];
}
