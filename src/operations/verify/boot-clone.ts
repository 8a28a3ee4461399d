import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Reporter } from "../../core/reporter.ts";
import type { FailureClass } from "../../log-scan/failure-class.ts";
import type { LogVerdict } from "../../log-scan/scan.ts";
import type { Check } from "../../model/result.ts";
import type { Clone } from "../clone/clone.ts";
import type { GateTarget } from "../gate/target.ts";
import { type WatchVerdict, watch } from "../gate/watch.ts";

/** The options for booting a clone. */
interface BootOptions {
  readonly clock: Clock;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly healthTimeoutMs: number;
  readonly logAllow: readonly string[];
  readonly logDeny: readonly string[];
}

/** How long the clone must stay healthy: an app that misses something often exits a few seconds after its start. */
export const soakMs = 5_000;

/** Log failures of the backup's own image that can only be caused by the data, wherever it runs. */
const ofTheData: readonly FailureClass[] = ["schema-conflict", "migration", "corruption"];

/**
 * Boots a clone on its restored stores and lets the gate judge it. An unhealthy clone of the *old* image does not prove
 * that the backup is bad, because the application may need the outside world. A data failure in its log or schema does.
 */
export async function bootClone(
  clone: Pick<Clone, "boot" | "target" | "omitted">,
  schema: GateTarget["schema"],
  options: BootOptions,
): Promise<Check[]> {
  const { clock, healthTimeoutMs, logAllow: allow, logDeny: deny } = options;
  const begunMs = clock.monotonicMs();
  const problem = await boot(clone, options);
  // If Compose gave up, the clone does not become healthy by itself.
  const leftMs = problem === undefined ? begunMs + healthTimeoutMs - clock.monotonicMs() : 0;
  const rules = { healthTimeoutMs: Math.max(0, leftMs), soakMs, allow, deny };
  return judge(await watch(clone.target({ schema }), rules, options), problem, clone.omitted);
}

async function boot(
  clone: Pick<Clone, "boot">,
  { signal, healthTimeoutMs }: BootOptions,
): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(healthTimeoutMs);
  try {
    await clone.boot(AbortSignal.any([signal, timeout]));
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return `not every container was started after ${healthTimeoutMs / 1000} s`;
    return describeError(error);
  }
}

/** Translates the verdict on a clone into checks of the backup. */
export function judge(
  verdict: WatchVerdict,
  problem: string | undefined,
  omitted: readonly string[] = [],
): Check[] {
  const { logs, reason } = verdict;
  const isHealthy = verdict.checks.every(
    ({ name, status }) => name !== "health" || status === "pass",
  );
  const checks = verdict.checks.flatMap((check): Check[] => {
    if (check.name === "health") return [healthCheck(check, problem, omitted)];
    if (check.name === "log") return [logCheck(check, logs[check.component ?? ""], isHealthy)];
    // The decisive check only summarises the other checks.
    return check.name === reason?.class ? [] : [check];
  });
  if (reason !== undefined && checks.every(({ status }) => status === "pass")) {
    checks.push({
      name: reason.class,
      status: "unverifiable",
      detail: inIsolation(reason.message),
    });
  }
  const all = Object.values(logs);
  if (all.length > 0 && all.every((one) => one.verdict === "unverifiable")) {
    checks.push({ name: "log", status: "unverifiable", detail: "the log is empty" });
  }
  return checks;
}

function healthCheck(check: Check, problem: string | undefined, omitted: readonly string[]): Check {
  if (check.status === "pass") return check;
  const why = problem === undefined ? "" : ` (${problem.split("\n").at(-1) ?? ""})`;
  const own = omitted.flatMap((text) => {
    const start = `${check.component}: `;
    return text.startsWith(start) ? [text.slice(start.length)] : [];
  });
  // What the clone does without is the likelier cause, so it comes first.
  const without = own.length === 0 ? "" : `the clone does without ${own.join(", ")}; `;
  const detail = inIsolation(`${without}${check.detail}${why}`);
  return { ...check, status: "unverifiable", detail };
}

/** What the clone leaves out on purpose, once, with the reasons. */
export function cloneCheck(omitted: readonly string[]): Check {
  const detail = omitted.length === 0 ? "as the stack" : `does without ${omitted.join("; ")}`;
  return { name: "clone", status: "pass", detail };
}

/** The services whose end says nothing of the backup, because they had failed before it. */
export function unjudgedChecks(unjudged: ReadonlyMap<string, number>): Check[] {
  return [...unjudged].map(([component, exitCode]) => ({
    ...{ name: "clone", component, status: "pass" },
    detail: `not judged: it had ended with exit code ${exitCode} before the backup`,
  }));
}

function logCheck(check: Check, log: LogVerdict | undefined, isHealthy: boolean): Check {
  const decisive = log?.decisive;
  if (decisive === undefined) return check;
  const fails = isHealthy || ofTheData.includes(decisive.class);
  const detail = `${decisive.class}: ${decisive.evidence}`;
  return { ...check, status: fails ? "fail" : "unverifiable", detail };
}

function inIsolation(seen: string): string {
  return `${seen}: not healthy in isolation; \`clone-health: off\` accepts counts alone`;
}
