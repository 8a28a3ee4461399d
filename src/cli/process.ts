import { homedir } from "node:os";
import { listenForSignals } from "../core/cancel.ts";
import { systemClock } from "../core/clock.ts";
import { takeInputs } from "../core/environment.ts";
import { type ExitCode, RefusedError } from "../core/errors.ts";
import { formatBytes } from "../core/format.ts";
import { namedFileLimitBytes, readNamedFile } from "../core/regular-file.ts";
import { Masker } from "../core/secrets.ts";
import { listenToTimings } from "../core/timing.ts";
import type { Commands } from "../operations/session/command.ts";
import { failureResult } from "../report/failure.ts";
import { version } from "../version.ts";
import { askAt } from "./ask.ts";
import { finish, runCli, type Terminal, wantsJson } from "./run.ts";
import { terminalReporter } from "./terminal.ts";

/** More than a person would judge, and less than the longest text. */
const inputLimitBytes = 256 * 2 ** 20;

/** @throws RefusedError for a standard input that has no end. */
async function readInput(input: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > inputLimitBytes) {
      throw new RefusedError(
        `the log is larger than ${formatBytes(inputLimitBytes)}: give its end, such as with \`tail --bytes=100M\``,
        { class: "input" },
      );
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

const readNamed = (path: string) => readNamedFile(path, namedFileLimitBytes);

/** A file of the host is in a container only if it is mounted. */
async function readInContainer(path: string): Promise<string> {
  try {
    return await readNamed(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    const fix = `start it with --volume ${path}:${path}`;
    throw new Error(`${path} is not in this container: ${fix}`, { cause });
  }
}

/** Runs the command line of this process, prints the result and exits with its exit code. */
export async function runProcess(commands: Commands): Promise<void> {
  const { argv, env, stdin, stdout, stderr } = process;
  const masker = new Masker();
  const interactive = stderr.isTTY === true && env.TERM !== "dumb";
  const debug = env.SOPHON_KEEPER_DEBUG === "1";
  const reporter = terminalReporter({
    stream: stderr,
    interactive,
    debug,
    masker,
    clock: systemClock,
  });
  // What `npm run bench -- overhead` reads.
  if (debug) listenToTimings((timing) => reporter.debug(`timing ${JSON.stringify(timing)}`));
  let printed = "";
  const cancellation = listenForSignals((message) => reporter.info(message));
  const write = (text: string) => void stderr.write(masker.mask(text));
  const terminal: Terminal = {
    argv: argv.slice(2),
    environment: takeInputs(env),
    places: { workingDirectory: process.cwd(), home: env.HOME ?? homedir() },
    // A serial console has 0, and does not know.
    columns: stdout.isTTY ? stdout.columns || undefined : undefined,
    configDirectories: [process.cwd(), "/etc/sophon-keeper"],
    cancellation,
    ...(stdin.isTTY && stderr.isTTY ? { ask: askAt(stdin, write, cancellation.signal) } : {}),
    reporter,
    masker,
    clock: systemClock,
    version,
    print: (result) => {
      printed += result;
    },
    tell: (message) => message.split("\n").forEach((line) => void reporter.info(line)),
    readText: env.KEEPER_CONTAINER === undefined ? readNamed : readInContainer,
    readInput: () => readInput(process.stdin),
  };
  // If the reader of a pipe is gone (`| head`), a finished operation must not end as a crash.
  for (const stream of [stdout, stderr]) stream.on("error", () => undefined);
  let ended = false;
  const end = (code: ExitCode) => {
    if (ended) return;
    ended = true;
    // Exit once the text is written: an open handle must not keep the process running.
    stdout.write(printed, () => process.exit(code));
  };
  const crash = (error: unknown) => {
    printed = "";
    const json = wantsJson(terminal.argv);
    end(
      finish(
        failureResult(error, systemClock.monotonicMs() / 1000, undefined, false),
        terminal,
        json,
      ),
    );
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  // Node would end with code 13 and say nothing: whatever the work waits for can never come.
  process.once("beforeExit", () => crash(new Error("nothing is left that could end this work")));
  end(await runCli(terminal, commands));
}
