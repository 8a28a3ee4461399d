import { allows } from "../../log-scan/pattern.ts";
import { type MigrationProgress, progress } from "../../log-scan/progress.ts";
import { clean } from "../../log-scan/quote.ts";
import { type ContainerState, type LogVerdict, scan } from "../../log-scan/scan.ts";
import type { Dependencies } from "../session/command.ts";
import type { StartActivity } from "./database-activity.ts";
import {
  Gate,
  type GateRules,
  type GateVerdict,
  hasEndedWell,
  type Look,
  type Seen,
} from "./gate.ts";
import { look } from "./look-at-target.ts";
import type { GateTarget } from "./target.ts";

/** The rules by which a target is watched. */
interface WatchRules extends Pick<GateRules, "healthTimeoutMs" | "soakMs"> {
  /** Names of containers that logged before: an empty log of such a container does not pass. */
  readonly mustLog?: readonly string[] | undefined;
  /** Regular expressions: log records that match one are ignored. */
  readonly allow: readonly string[];
  /** Regular expressions: a log record of the last start that matches one is a failure. */
  readonly deny: readonly string[];
}

/** A verdict together with the log verdicts and last log lines, by container name. */
export interface WatchVerdict extends GateVerdict {
  readonly lastLines: Readonly<Record<string, readonly string[]>>;
  readonly logs: Readonly<Record<string, LogVerdict>>;
  /** How long it took until everything was good; undefined if it never was. */
  readonly healthySeconds?: number;
}

type WatchDependencies = Pick<Dependencies, "clock" | "reporter" | "signal">;

/** The logs as read in one look. */
interface LogLook {
  readonly judged: Look["logs"];
  readonly lastLines: Record<string, readonly string[]>;
}

const everyMs = 500;
const activityEveryMs = 2_000;
const lastLineCount = 40;

/** Watches a started stack until the gate has decided. */
export async function watch(
  target: GateTarget,
  rules: WatchRules,
  dependencies: WatchDependencies,
): Promise<WatchVerdict> {
  const { clock, reporter, signal } = dependencies;
  const startedMs = clock.monotonicMs();
  const { healthTimeoutMs, soakMs } = rules;
  const mustLog = mayBeSilent(rules) ? undefined : new Set(rules.mustLog);
  const gate = new Gate({ startedMs, healthTimeoutMs, soakMs, mustLog });
  const activity = sampled(target, clock);
  const schema = schemaWithin(target, rules, clock);
  let wasGood = false;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look(target);
    const { judged, lastLines } = await readLogs(target, seen, rules);
    const { mark, ...active } = await activity(wasGood);
    const others = await progressOfOthers(target);
    const looked = { containers: seen, logs: judged, others, activity: mark, ...active };
    const verdict = gate.take({ atMs: clock.monotonicMs(), ...looked });
    const logs = Object.fromEntries([...judged].map(([name, { verdict }]) => [name, verdict]));
    const healthy = healthyIn(gate, startedMs);
    if (verdict?.passed === false) {
      return { ...verdict, ...healthy, logs, lastLines: ofFailed(seen, judged, lastLines) };
    }
    const whole = verdict === undefined ? undefined : await schema(verdict, judged);
    if (whole !== undefined) return { ...whole, ...healthy, logs, lastLines };
    const isGood = gate.goodSinceMs !== undefined;
    if (isGood && !wasGood) {
      const seconds = ((clock.monotonicMs() - startedMs) / 1000).toFixed(1);
      reporter.info(`healthy after ${seconds} s; it must stay so for ${soakMs / 1000} s`);
    }
    wasGood = isGood;
    reporter.progress(seen.map(({ service, detail }) => `${service}: ${detail}`).join("; "));
    await clock.sleep(pauseMs(gate, soakMs, clock.monotonicMs()), signal);
  }
}

/** Until the next look; the last one is due at the end of the soak. */
function pauseMs({ goodSinceMs }: Gate, soakMs: number, nowMs: number): number {
  const leftMs = goodSinceMs === undefined ? everyMs : goodSinceMs + soakMs - nowMs;
  return leftMs > 0 ? Math.min(everyMs, leftMs) : everyMs;
}

function healthyIn({ goodSinceMs }: Gate, startedMs: number): Pick<WatchVerdict, "healthySeconds"> {
  return goodSinceMs === undefined ? {} : { healthySeconds: (goodSinceMs - startedMs) / 1000 };
}

async function progressOfOthers(target: GateTarget): Promise<Look["others"]> {
  const logs = await target.otherLogs?.();
  return logs && new Map([...logs].map(([name, text]) => [name, progress(text)]));
}

/** The lines of those that failed, where it can be told which did. */
function ofFailed(
  seen: readonly Seen[],
  judged: Look["logs"],
  lastLines: LogLook["lastLines"],
): LogLook["lastLines"] {
  const failed = seen.filter(
    ({ good, name }) => !good || judged.get(name)?.verdict.verdict === "failed",
  );
  const own = Object.entries(lastLines).filter(([name]) => failed.some((one) => one.name === name));
  return own.length === 0 ? lastLines : Object.fromEntries(own);
}

/** An allow pattern that matches the empty text permits an empty log. */
function mayBeSilent({ allow }: Pick<WatchRules, "allow">): boolean {
  return allows(allow, "");
}

/** Limits how often the databases are queried, because that is expensive, and stops once everything is healthy. */
function sampled(target: GateTarget, clock: WatchDependencies["clock"]) {
  let last: StartActivity = { mark: undefined, blocked: false, computes: false };
  let nextMs = clock.monotonicMs();
  return async (isGood: boolean): Promise<StartActivity> => {
    if (target.activity === undefined || isGood || clock.monotonicMs() < nextMs) return last;
    last = await target.activity();
    nextMs = clock.monotonicMs() + activityEveryMs;
    return last;
  };
}

/**
 * Adds the check of the migration histories to a good verdict. A migration that continues in the background of a
 * healthy stack has until the health timeout, and so has a database that cannot be queried just now.
 */
function schemaWithin(target: GateTarget, rules: WatchRules, clock: WatchDependencies["clock"]) {
  // `log-allow` can exempt a migration of a database outside the stack, by the line that announces it.
  const isJudged = (name: string) => !allows(rules.allow, `Applying migration '${name}'.`);
  let endMs: number | undefined;
  return async (verdict: GateVerdict, logs: Look["logs"]): Promise<GateVerdict | undefined> => {
    const announced = [...logs.values()].flatMap(({ progress }) => progress.announced);
    const found = await target.schema([...new Set(announced)].filter(isJudged));
    if (found === undefined) return verdict;
    const { checks, reason, pending } = found;
    const all = [...verdict.checks, ...checks];
    if (reason === undefined) return { passed: true, checks: all };
    endMs ??= clock.monotonicMs() + rules.healthTimeoutMs;
    if (pending.length > 0 && clock.monotonicMs() < endMs) return undefined;
    return { passed: false, checks: all, reason };
  };
}

async function readLogs(
  target: GateTarget,
  seen: readonly Seen[],
  { allow, deny }: WatchRules,
): Promise<LogLook> {
  const judged: Map<string, { verdict: LogVerdict; progress: MigrationProgress }> = new Map();
  const lastLines: Record<string, readonly string[]> = {};
  const read = seen.filter(({ isNew, id }) => isNew && id !== "");
  const texts = await Promise.all(read.map((one) => target.log(one)));
  for (const [at, one] of read.entries()) {
    const text = texts[at];
    if (text === undefined) continue;
    const { name } = one;
    const known = stateOf(one);
    const verdict = scan(text, { allow, deny, ...(known === undefined ? {} : { state: known }) });
    judged.set(name, { verdict, progress: progress(text) });
    const lines = text.trimEnd().split("\n").slice(-lastLineCount);
    lastLines[name] = lines.map(clean);
  }
  return { judged, lastLines };
}

function stateOf(seen: Seen): ContainerState | undefined {
  const { state } = seen;
  // A one-shot is expected to end, so its end is no evidence of a failure.
  if (hasEndedWell(seen)) return undefined;
  return state === "running" || state === "exited" || state === "restarting" ? state : undefined;
}
