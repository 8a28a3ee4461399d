import type { RehearsedMigration } from "../../model/rehearsal.ts";
import type { Check } from "../../model/result.ts";
import type { WatchVerdict } from "../gate/watch.ts";

/** Whether the new version starts a second time, and migrates nothing then. Pure. */
export function secondStartChecks(
  second: Pick<WatchVerdict, "passed" | "reason">,
  secondStartSeconds: number,
  again: readonly Pick<RehearsedMigration, "database" | "id">[],
): Check[] {
  const told = again.map(({ database, id }) => `${database}: ${id}`).join(", ");
  return [
    second.passed
      ? { name: "second start", status: "pass", detail: `${secondStartSeconds.toFixed(1)} s` }
      : {
          name: "second start",
          status: "fail",
          detail: second.reason?.message ?? "the new version does not start again",
        },
    again.length === 0
      ? { name: "migrations", status: "pass", detail: "the second start migrates nothing" }
      : {
          name: "migrations",
          status: "fail",
          detail: `the second start migrates again: ${told}`,
        },
  ];
}
