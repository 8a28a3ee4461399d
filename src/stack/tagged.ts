import { randomUUID } from "node:crypto";
import { systemClock } from "../core/clock.ts";
import { ExecError, run } from "../core/exec.ts";
import { waitFor } from "../core/wait.ts";
import type { Engine } from "./engine.ts";

const tagPrefix = "sophon-keeper";
const cutText = "its end was not seen: the connection to it was cut";
/** An interrupted client may have asked the engine to start the program just before. */
const startGraceMs = 200;
const termGraceMs = 5_000;
const killGraceMs = 10_000;

/**
 * Finds the processes whose wrapper has `$TAG` in its command line, those of `$KNOWN` (`pid:start` each), and all their
 * descendants, sends them `$SIGNAL` (0 only looks), and prints them as `pid:start`: a pid may be used again, with
 * another start (proc(5), field 22 of stat). Nothing but what any `sh` has built in: images without `ps`, `pkill` or
 * `sleep` work. Each is stopped when it is found: what goes on could start another just after it was looked at. Both `cmdline` and `stat` are readable for every user; `environ` is not.
 *
 * A zombie has ended: a first process such as redis-server never waits for those that it inherits.
 */
const endScript = `
found=" " out=
look() {
  { IFS= read -r line < "/proc/$1/stat"; } 2>/dev/null || return 1
  rest=\${line##*) }
  set -- $rest
  [ "$1" != Z ] || return 1
  parent=$2 start=\${20}
}
add() {
  found="$found$1 " out="$out $1:$start"
  [ "$SIGNAL" = 0 ] || kill -s STOP "$1" 2>/dev/null
}
for known in $KNOWN; do
  look "\${known%:*}" && [ "$start" = "\${known#*:}" ] && add "\${known%:*}"
done
for d in /proc/[0-9]*; do
  p=\${d#/proc/} line=
  case "$found" in *" $p "*) continue ;; esac
  { IFS= read -r line < "$d/cmdline"; } 2>/dev/null
  case "$line" in *"$TAG"*) look "$p" && add "$p" ;; esac
done
more=1
while [ "$more" = 1 ]; do
  more=0
  for d in /proc/[0-9]*; do
    p=\${d#/proc/}
    case "$found" in *" $p "*) continue ;; esac
    look "$p" || continue
    case "$found" in *" $parent "*) add "$p"; more=1 ;; esac
  done
done
if [ "$SIGNAL" != 0 ]; then
  for p in $found; do kill -s "$SIGNAL" "$p" 2>/dev/null; done
  for p in $found; do kill -s CONT "$p" 2>/dev/null; done
fi
echo $out
`;

/** A new tag for one program. It begins with the tag of its operation. */
export function newTag(operationId: string): string {
  return `${operationTag(operationId)}${randomUUID()}:`;
}

/** The prefix of the tags of all programs of one operation. */
export function operationTag(operationId: string): string {
  return `${tagPrefix}:${operationId}:`;
}

/**
 * The command line that runs `argv` as the child of a shell with the tag as its name. Input, output and exit code are
 * those of the program. The last line on stderr is the tag with the exit code.
 */
export function taggedCommand(tag: string, argv: readonly string[]): string[] {
  // The shell ignores SIGTERM, because the other processes are found through it.
  return ["sh", "-c", 'trap : TERM; "$@"; c=$?; echo "$0$c" >&2; exit $c', tag, ...argv];
}

/**
 * Waits for the client of a tagged program and makes sure that the program itself ended. If `docker exec` gets SIGTERM
 * or loses the engine, it exits with 0 or with its own code (seen with CLI 28), and half a dump would look complete.
 *
 * @throws ExecError with the program's own stderr, also when the end of the program was not seen.
 */
export async function programEnd<T extends { readonly stderr: string; readonly exitCode: number }>(
  client: Promise<T>,
  tag: string,
  command: string,
): Promise<T> {
  const strip = (stderr: string) => stderr.replace(new RegExp(`${tag}\\d+\\n`), "");
  try {
    const ended = await client;
    if (ended.stderr.includes(`${tag}${ended.exitCode}\n`))
      return { ...ended, stderr: strip(ended.stderr) };
    const stdout = "stdout" in ended ? String(ended.stdout) : "";
    const stderr = `${strip(ended.stderr)}${cutText}`;
    const failed = { exitCode: ended.exitCode, signal: null, timedOut: false };
    throw new ExecError({ command, ...failed, stderr, stdout });
  } catch (error) {
    if (!(error instanceof ExecError) || error.command === command) throw error;
    const { exitCode, signal, timedOut, stdout, cause } = error;
    const stderr = strip(error.stderr);
    throw new ExecError({ command, exitCode, signal, timedOut, stderr, stdout, cause });
  }
}

/** Whether an error means that the end of the program was not seen, so that it may still run. */
export function wasCut(error: unknown): boolean {
  if (!(error instanceof ExecError)) return false;
  return error.timedOut || error.signal !== null || error.stderr.endsWith(cutText);
}

/**
 * Ends every program in the container whose tag begins with `tag`: SIGTERM, then SIGKILL. This is necessary because the
 * program keeps running after its `docker exec` client has ended.
 *
 * @returns whether there was any program.
 * @throws Error when a program still runs, or when the container is paused: unpause it first.
 */
export async function endTagged(
  engine: Pick<Engine, "environment">,
  container: string,
  tag: string,
): Promise<boolean> {
  let known: readonly string[] = [];
  const send = async (signal: string) => {
    known = await sendSignal(engine, container, { tag, signal, known });
    return known.length > 0;
  };
  const some = await waitFor(async () => (await send("TERM")) || undefined, {
    clock: systemClock,
    timeoutMs: startGraceMs,
  });
  if (some === undefined) return false;
  const gone = (timeoutMs: number) =>
    waitFor(async () => ((await send("0")) ? undefined : true), { clock: systemClock, timeoutMs });
  if (await gone(termGraceMs)) return true;
  await send("KILL");
  if (await gone(killGraceMs)) return true;
  throw new Error(`a program started by sophon-keeper is still running in container ${container}`);
}

/** @returns the programs found, as `pid:start`. */
async function sendSignal(
  engine: Pick<Engine, "environment">,
  container: string,
  what: { readonly tag: string; readonly signal: string; readonly known: readonly string[] },
): Promise<string[]> {
  const names = ["TAG", "SIGNAL", "KNOWN"].flatMap((name) => ["-e", name]);
  const variables = { TAG: what.tag, SIGNAL: what.signal, KNOWN: what.known.join(" ") };
  // Root in the container may signal every process; without CAP_KILL only the user of the programs may.
  const users = what.signal === "0" ? [["--user", "0"]] : [["--user", "0"], []];
  const found = new Set<string>();
  for (const user of users) {
    const args = ["exec", ...user, ...names, container, "sh", "-c", endScript];
    try {
      const addEnv = { ...engine.environment, ...variables };
      const { stdout } = await run("docker", args, { addEnv, timeoutMs: 30_000 });
      for (const word of stdout.split(/\s+/)) if (word !== "") found.add(word);
    } catch (error) {
      // A stopped or missing container runs no program.
      if (!(error instanceof ExecError) || !isGone(error.stderr)) throw error;
    }
  }
  return [...found];
}

function isGone(stderr: string): boolean {
  return /No such container|is not running|container .* is restarting/i.test(stderr);
}
