import { randomUUID } from "node:crypto";
import { systemClock } from "../core/clock.ts";
import { ExecError, run } from "../core/exec.ts";
import { waitFor } from "../core/wait.ts";
import type { Engine } from "./engine.ts";

const tagPrefix = "sophon-keeper";
/** A client that was ended may just have asked the engine to start the program. */
const startGraceMs = 200;
const termGraceMs = 5_000;
const killGraceMs = 10_000;

/**
 * Finds the processes whose wrapper has `$TAG` in its command line, and all their descendants, and sends them
 * `$SIGNAL` (0 only looks). Prints how many there were. Nothing but what any `sh` has built in: images without
 * `ps`, `pkill` or `sleep` work. Both `cmdline` and `stat` are readable for every user; `environ` is not.
 */
const endScript = `
found=" "
for d in /proc/[0-9]*; do
  IFS= read -r line 2>/dev/null < "$d/cmdline" || [ -n "$line" ] || continue
  case "$line" in *"$TAG"*) found="$found\${d#/proc/} " ;; esac
  line=
done
more=1
while [ "$more" = 1 ]; do
  more=0
  for d in /proc/[0-9]*; do
    p=\${d#/proc/}
    case "$found" in *" $p "*) continue ;; esac
    { IFS= read -r line < "$d/stat"; } 2>/dev/null || continue
    rest=\${line##*) }
    rest=\${rest#* }
    case "$found" in *" \${rest%% *} "*) found="$found$p "; more=1 ;; esac
  done
done
n=0
for p in $found; do
  n=$((n + 1))
  [ "$SIGNAL" = 0 ] || kill -s "$SIGNAL" "$p" 2>/dev/null
done
echo "$n"
`;

/** A new tag for one program; it begins with the tag of its operation. */
export function newTag(operationId: string): string {
  return `${operationTag(operationId)}${randomUUID()}:`;
}

/** What the tags of all programs of one operation begin with. */
export function operationTag(operationId: string): string {
  return `${tagPrefix}:${operationId}:`;
}

/**
 * The command line that runs `argv` under a shell that stays beside it with the tag as its name. Input, output
 * and exit code are those of the program.
 */
export function taggedCommand(tag: string, argv: readonly string[]): string[] {
  return ["sh", "-c", '"$@"; exit $?', tag, ...argv];
}

/**
 * Ends every program in the container whose tag begins with `tag`: SIGTERM, then SIGKILL. `docker exec` does not do
 * it: ending the client leaves the program running.
 *
 * @returns whether there were any.
 * @throws Error when some are still there, or when the container is paused: it must be unpaused first.
 */
export async function endTagged(
  engine: Pick<Engine, "environment">,
  container: string,
  tag: string,
): Promise<boolean> {
  const send = (signal: string) => sendSignal(engine, container, tag, signal);
  const some = await waitFor(async () => ((await send("TERM")) > 0 ? true : undefined), {
    clock: systemClock,
    timeoutMs: startGraceMs,
  });
  if (some === undefined) return false;
  const gone = (timeoutMs: number) =>
    waitFor(async () => ((await send("0")) === 0 ? true : undefined), {
      clock: systemClock,
      timeoutMs,
    });
  if (await gone(termGraceMs)) return true;
  await send("KILL");
  if (await gone(killGraceMs)) return true;
  throw new Error(`a program started by this tool still runs in container ${container}`);
}

async function sendSignal(
  engine: Pick<Engine, "environment">,
  container: string,
  tag: string,
  signal: string,
): Promise<number> {
  // Root of the container may signal everyone; without CAP_KILL only the programs' own user may.
  const counts = await Promise.all(
    [["--user", "0"], []].map(async (user) => {
      const args = ["exec", ...user, "-e", "TAG", "-e", "SIGNAL", container, "sh", "-c", endScript];
      try {
        const addEnv = { ...engine.environment, TAG: tag, SIGNAL: signal };
        const { stdout } = await run("docker", args, { addEnv, timeoutMs: 30_000 });
        return Number(stdout.trim());
      } catch (error) {
        // A container that does not run, or is gone, runs no program either.
        if (error instanceof ExecError && isGone(error.stderr)) return 0;
        throw error;
      }
    }),
  );
  return Math.max(...counts);
}

function isGone(stderr: string): boolean {
  return /No such container|is not running|container .* is restarting/i.test(stderr);
}
