import type { Timeline } from "../../model/result.ts";
import { readJournal } from "../session/journal.ts";
import type { Downtime } from "./downtime.ts";
import { upgradeJournal } from "./journal.ts";
import type { UpgradeSession } from "./session.ts";

/** The timeline of an upgrade, read from its journal: each phase lasts until the next one begins. */
export function timelineOf(session: UpgradeSession, downtime: Downtime | undefined): Timeline {
  const { repository, id, dependencies } = session;
  const { entries, openedAt } = readJournal(repository.operations, id, upgradeJournal);
  const begunMs = Date.parse(openedAt);
  // The journal begins with the plan, which is the result of the first phase.
  const starts: { phase: string; atMs: number }[] = [{ phase: "preflight", atMs: begunMs }];
  for (const { phase: noted, time } of entries) {
    // After the decision only the clean-up is left.
    const phase = noted === "committed" || noted === "rolled-back" ? "clean-up" : noted;
    if (starts.at(-1)?.phase !== phase) starts.push({ phase, atMs: Date.parse(time) });
  }
  const endMs = dependencies.clock.now().getTime();
  const phases = starts.map(({ phase, atMs }, at) => ({
    phase,
    fromSeconds: (atMs - begunMs) / 1000,
    seconds: ((starts[at + 1]?.atMs ?? endMs) - atMs) / 1000,
  }));
  if (downtime === undefined || downtime.seconds === 0) return { phases };
  const { fromMs, seconds } = downtime;
  return { phases, downtime: { fromSeconds: (fromMs - begunMs) / 1000, seconds } };
}
