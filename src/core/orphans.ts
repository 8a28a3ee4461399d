import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const waitMs = 30_000;
const everyMs = 10;
const operationVariable = "SOPHON_KEEPER_OPERATION";

/** Environment variable for programs that would keep changing the host after this process is killed. */
export function operationMark(operationId: string): Readonly<Record<string, string>> {
  return { [operationVariable]: operationId };
}

/** Calls {@link endOrphans} for the programs with the {@link operationMark} of an operation. */
export async function endOrphansOf(operationId: string): Promise<void> {
  await endOrphans(operationVariable, operationId);
}

/**
 * Kills the programs that a killed run left behind, and waits until they are gone. Finds them by an environment variable
 * that `ExecOptions.addEnv` sets. The caller must make sure that their owner is dead.
 *
 * @throws if a program cannot be killed.
 */
export async function endOrphans(variable: string, value: string): Promise<void> {
  const mark = `${variable}=${value}`;
  const end = performance.now() + waitMs;
  for (;;) {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && bears(name, mark));
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // The program ended on its own.
      }
    }
    if (performance.now() > end) {
      throw new Error(`processes ${pids.join(", ")} of ${value} still run and cannot be killed`);
    }
    await delay(everyMs);
  }
}

function bears(pid: string, mark: string): boolean {
  try {
    if (Number(pid) === process.pid) return false;
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(mark);
  } catch {
    // The process is gone or belongs to another user.
    return false;
  }
}
