import { clean } from "../../log-scan/finding.ts";
import { progress } from "../../log-scan/progress.ts";
import { type ContainerState, scan } from "../../log-scan/scan.ts";
import type { Engine } from "../../stack/engine.ts";
import { readLog } from "../../stack/logs.ts";
import type { Dependencies } from "../session/command.ts";
import type { StartActivity } from "./database-activity.ts";
import { Gate, type GateVerdict, type Look, type Seen } from "./gate.ts";
import { look } from "./health-probe.ts";
import type { UpgradePlan } from "./journal.ts";
import type { SchemaVerdict } from "./schema.ts";

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
  /** Asked while the stack is not healthy yet: whether the databases, or who migrates them, are at work. */
  readonly activity?: (() => Promise<StartActivity>) | undefined;
  /** Asked once everything else is good, with the migrations that the logs announced. */
  readonly schema?: ((announced: readonly string[]) => Promise<SchemaVerdict>) | undefined;
}

/** A verdict, with the last lines of every container whose log was read. */
export interface WatchVerdict extends GateVerdict {
  readonly lastLines: Readonly<Record<string, readonly string[]>>;
}

/** What the logs of one look said. */
interface LogLook {
  readonly judged: Look["logs"];
  readonly lastLines: Record<string, readonly string[]>;
}

type Watched = Pick<UpgradePlan, "project" | "containers" | "health" | "services" | "logged">;

const everyMs = 500;
const activityEveryMs = 2_000;
const lastLineCount = 40;

/** Looks at the stack again and again until the gate has decided. */
export async function watch(plan: Watched, options: WatchOptions): Promise<WatchVerdict> {
  const { clock, reporter, signal } = options.dependencies;
  const startedMs = clock.monotonicMs();
  const { timeoutMs: healthTimeoutMs } = plan.health;
  const { soakMs } = options;
  const mustLog = mayBeSilent(options) ? undefined : new Set(plan.logged);
  const gate = new Gate({ startedMs, healthTimeoutMs, soakMs, mustLog });
  const activity = sampled(options);
  const schema = schemaWithin(healthTimeoutMs, options);
  let wasGood = false;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look(options.engine, plan, options.header, { signal });
    const { judged, lastLines } = await readLogs(options.logs ? seen : [], options);
    const { mark, ...active } = await activity(wasGood);
    const looked = { containers: seen, logs: judged, activity: mark, ...active };
    const verdict = gate.take({ atMs: clock.monotonicMs(), ...looked });
    if (verdict?.passed === false) {
      return { ...verdict, lastLines: ofFailed(seen, judged, lastLines) };
    }
    const whole = verdict === undefined ? undefined : await schema(verdict, judged);
    if (whole !== undefined) return { ...whole, lastLines };
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

/** A pattern that also matches the empty text says that a log may be empty. */
function mayBeSilent({ allow }: Pick<WatchOptions, "allow">): boolean {
  return allow.some((pattern) => new RegExp(pattern).test(""));
}

/** Asking a database costs more than a look: not every time, and not once everything is healthy. */
function sampled({ activity, dependencies: { clock } }: WatchOptions) {
  const none: StartActivity = { mark: undefined, blocked: false, computes: false };
  let last = none;
  let nextMs = clock.monotonicMs();
  return async (isGood: boolean): Promise<StartActivity> => {
    if (activity === undefined || isGood || clock.monotonicMs() < nextMs) return last;
    last = await activity();
    nextMs = clock.monotonicMs() + activityEveryMs;
    return last;
  };
}

/**
 * Completes a good verdict by what the migration histories say. A migration that goes on in the background while the
 * stack is healthy has the time of the health timeout; so has a database that cannot be asked just now.
 */
function schemaWithin(timeoutMs: number, options: WatchOptions) {
  const { schema, dependencies } = options;
  const { clock } = dependencies;
  // One that goes to a database outside of the stack can be let off by the line that announces it.
  const allow = options.allow.map((pattern) => new RegExp(pattern));
  const isJudged = (name: string) =>
    !allow.some((one) => one.test(`Applying migration '${name}'.`));
  let endMs: number | undefined;
  return async (
    verdict: GateVerdict,
    logs: Look["logs"],
  ): Promise<Omit<WatchVerdict, "lastLines"> | undefined> => {
    if (schema === undefined) return verdict;
    const announced = [...logs.values()].flatMap(({ progress }) => progress.announced);
    const { checks, reason, pending } = await schema([...new Set(announced)].filter(isJudged));
    const all = [...verdict.checks, ...checks];
    if (reason === undefined) return { passed: true, checks: all };
    endMs ??= clock.monotonicMs() + timeoutMs;
    if (pending.length > 0 && clock.monotonicMs() < endMs) return undefined;
    return { passed: false, checks: all, reason };
  };
}

async function readLogs(seen: readonly Seen[], options: WatchOptions): Promise<LogLook> {
  const judged = new Map();
  const lastLines: Record<string, readonly string[]> = {};
  const { allow, deny } = options;
  for (const { id, name, upgraded, state } of seen) {
    if (!upgraded || id === "") continue;
    const text = await readLog(options.engine, id);
    if (text === undefined) continue;
    const known = stateOf(state);
    const verdict = scan(text, { allow, deny, ...(known === undefined ? {} : { state: known }) });
    judged.set(name, { verdict, progress: progress(text) });
    const lines = text.trimEnd().split("\n").slice(-lastLineCount);
    lastLines[name] = lines.map(clean);
  }
  return { judged, lastLines };
}

function stateOf(state: string): ContainerState | undefined {
  return state === "running" || state === "exited" || state === "restarting" ? state : undefined;
}
