import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { waitFor } from "../../core/wait.ts";
import type { FailureClass } from "../../log-scan/cause-patterns.ts";
import { scan } from "../../log-scan/scan.ts";
import type { Check } from "../../model/result.ts";
import type { ContainerState } from "../../model/stack.ts";
import type { ScratchStack } from "../../stack/scratch.ts";

/** What booting a copy needs. */
export interface BootOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly healthTimeoutMs: number;
  readonly logAllow: readonly string[];
  readonly logDeny: readonly string[];
}

/** What a log of the backup's own image can only say of the data, wherever it runs. */
const ofTheData: readonly FailureClass[] = ["schema-conflict", "migration", "corruption"];

/**
 * Starts the rest of a copy on its restored stores, and judges health and log. A copy of the *old* image that does not
 * become healthy proves nothing against the backup: it may need the outside world.
 */
export async function bootCopy(
  scratch: ScratchStack,
  services: readonly string[],
  options: BootOptions,
): Promise<Check[]> {
  const health = await bringUp(scratch, services, options);
  return [...health, judgeLog(await scratch.logs(), health, options)];
}

async function bringUp(
  scratch: ScratchStack,
  services: readonly string[],
  { clock, signal, healthTimeoutMs }: BootOptions,
): Promise<Check[]> {
  let problem: string | undefined;
  try {
    await scratch.start(services, signal);
  } catch (error) {
    signal.throwIfAborted();
    problem = describeError(error);
  }
  const look = async () => {
    const containers = await scratch.containers();
    return containers.every(isSettled) ? containers : undefined;
  };
  const timeoutMs = problem === undefined ? healthTimeoutMs : 0;
  const settled = await waitFor(look, { clock, timeoutMs, signal, everyMs: 500 });
  const containers = settled ?? (await scratch.containers());
  return containers.map((container) => healthCheck(container, problem));
}

/** Healthy, running without a health check, or ended; anything else may still change. */
function isSettled({ state, health }: ContainerState): boolean {
  if (state === "running") return health === "healthy" || health === "none";
  return state === "exited" || state === "dead";
}

function healthCheck(container: ContainerState, problem: string | undefined): Check {
  const { service, state, health, exitCode } = container;
  const subject = { name: "health", component: service };
  const ended = state === "exited" && exitCode === 0;
  const well = (state === "running" && (health === "healthy" || health === "none")) || ended;
  if (well) {
    const detail = ended ? "ended with exit code 0" : health === "none" ? "running" : health;
    return { ...subject, status: "pass", detail };
  }
  const seen = state === "exited" ? `exited with code ${exitCode}` : `${state}, ${health}`;
  const why = problem === undefined ? "" : ` (${problem.split("\n").at(-1) ?? ""})`;
  const hint = "not healthy in isolation; `clone-health: off` accepts counts alone";
  return { ...subject, status: "unverifiable", detail: `${seen}${why}: ${hint}` };
}

function judgeLog(
  text: string,
  health: readonly Check[],
  { logAllow, logDeny }: BootOptions,
): Check {
  const verdict = scan(text, { allow: logAllow, deny: logDeny });
  const { decisive } = verdict;
  if (verdict.verdict === "clean") {
    return { name: "log", status: "pass", detail: "no sign of failure" };
  }
  if (decisive === undefined) {
    return { name: "log", status: "unverifiable", detail: "the log is empty" };
  }
  const healthy = health.every(({ status }) => status === "pass");
  const fails = healthy || ofTheData.includes(decisive.class);
  const detail = `${decisive.class}: ${decisive.evidence}`;
  return { name: "log", status: fails ? "fail" : "unverifiable", detail };
}
