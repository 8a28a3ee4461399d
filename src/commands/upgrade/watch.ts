import type { Engine } from "../../stack/engine.ts";
import { readLog } from "../../stack/logs.ts";
import { Gate, type GateVerdict, type Look, type Seen } from "../../upgrade/gate.ts";
import { progress } from "../../upgrade/log-scan/progress.ts";
import { scan } from "../../upgrade/log-scan/scan.ts";
import type { Dependencies } from "../command.ts";
import { look } from "./health.ts";
import type { UpgradePlan } from "./journal.ts";

/** What is watched, and by which rules. */
export interface WatchOptions {
  readonly engine: Engine;
  readonly dependencies: Pick<Dependencies, "clock" | "reporter" | "signal">;
  readonly header: string | undefined;
  readonly soakMs: number;
  /** Whether the logs of the upgraded services are judged. */
  readonly logs: boolean;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** A mark that changes while the database is at work. */
  readonly activity?: (() => Promise<string | undefined>) | undefined;
}

const everyMs = 500;

/** Looks at the stack again and again until the gate has decided. */
export async function watch(
  plan: Pick<UpgradePlan, "project" | "containers" | "health" | "services">,
  options: WatchOptions,
): Promise<GateVerdict> {
  const { clock, reporter, signal } = options.dependencies;
  const startedMs = clock.monotonicMs();
  const { healthTimeoutMs, soakMs } = { ...options, healthTimeoutMs: plan.health.timeoutMs };
  const gate = new Gate({ startedMs, healthTimeoutMs, soakMs });
  let wasGood = false;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look(options.engine, plan, options.header, { signal });
    const logs = options.logs ? await readLogs(seen, options) : new Map();
    const activity = await options.activity?.();
    const verdict = gate.take({ atMs: clock.monotonicMs(), containers: seen, logs, activity });
    if (verdict !== undefined) return verdict;
    const isGood = gate.goodSinceMs !== undefined;
    if (isGood && !wasGood) {
      const seconds = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1);
      reporter.info(`healthy after ${seconds} s; it must stay so for ${soakMs / 1000} s`);
    }
    wasGood = isGood;
    reporter.progress(seen.map(({ service, detail }) => `${service}: ${detail}`).join("; "));
    await clock.sleep(everyMs, signal);
  }
}

async function readLogs(seen: readonly Seen[], options: WatchOptions): Promise<Look["logs"]> {
  const logs = new Map();
  for (const { id, name, upgraded, state } of seen) {
    if (!upgraded || id === "") continue;
    const text = await readLog(options.engine, id);
    if (text === undefined) continue;
    const known =
      state === "running" || state === "exited" || state === "restarting" ? { state } : {};
    const { allow, deny } = options;
    const verdict = scan(text, { allow, deny, ...known } as Parameters<typeof scan>[1]);
    logs.set(name, { verdict, progress: progress(text) });
  }
  return logs;
}
