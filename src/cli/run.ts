import { hostname } from "node:os";
import type { Cancellation } from "../core/cancel.ts";
import type { Clock } from "../core/clock.ts";
import { type ExitCode, exitCodeOf } from "../core/errors.ts";
import type { Reporter } from "../core/reporter.ts";
import type { Masker } from "../core/secrets.ts";
import { visibleJson, visibleText } from "../core/visible.ts";
import type { Result } from "../model/result.ts";
import {
  type Command,
  type Commands,
  type Dependencies,
  offeredCommands,
} from "../operations/session/command.ts";
import type { CommandName } from "../options/command-names.ts";
import { type RawInputs, readReferences } from "../options/input-files.ts";
import { type InputName, inputSpec, inputs } from "../options/inputs.ts";
import { type Options, parseOptions } from "../options/parse.ts";
import { secretTexts } from "../options/secret-texts.ts";
import type { Places } from "../options/values.ts";
import { failureResult } from "../report/failure.ts";
import { publish, publishStart } from "../report/publish.ts";
import { failureText, resultText } from "../report/text.ts";
import { parseArguments, type Request } from "./arguments.ts";
import { commandHelp, programHelp } from "./help.ts";

/** What the command line needs from its process. */
export interface Terminal {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly places: Places;
  readonly cancellation: Cancellation;
  readonly reporter: Reporter;
  readonly masker: Masker;
  readonly clock: Clock;
  readonly version: string;
  /** Writes the result. With `--json` this is called exactly once. */
  readonly print: (text: string) => void;
  /** Writes a message for a person to standard error. */
  readonly tell: (text: string) => void;
  readonly readText: (path: string) => Promise<string>;
  readonly readInput: () => Promise<Uint8Array>;
}

/** Runs one command line and returns its exit code. Never throws: every error becomes a result. */
export async function runCli(terminal: Terminal, commands: Commands): Promise<ExitCode> {
  const json = wantsJson(terminal.argv);
  const startMs = terminal.clock.monotonicMs();
  const seconds = () => Math.round(terminal.clock.monotonicMs() - startMs) / 1000;
  let asked: Options | undefined;
  const publishing = {
    ...{ version: terminal.version, host: hostname(), home: terminal.places.home },
    warn: (text: string) => terminal.reporter.warning(text),
  };
  const end = async (result: Result) => {
    if (asked !== undefined) {
      const masked = terminal.masker.maskValue(result) as Result;
      await publish(masked, asked, { ...publishing, clock: terminal.clock });
    }
    return finish(result, terminal, json);
  };
  try {
    const request = parseArguments(terminal.argv, offeredCommands(commands));
    if (request.kind !== "run") {
      terminal.print(informationText(request, commands, terminal.version));
      return 0;
    }
    const command = commands[request.command] as Command;
    asked = await readOptions(terminal, request);
    await publishStart(asked, publishing.warn);
    return await end(await command(asked, dependenciesOf(terminal)));
  } catch (error) {
    const by = terminal.cancellation.cancelledBy();
    return await end(failureResult(error, seconds(), by));
  }
}

/** Prints a result in the form that the contract defines, and returns its exit code. */
export function finish(
  result: Result,
  terminal: Pick<Terminal, "masker" | "print" | "tell">,
  json: boolean,
): ExitCode {
  const masked = terminal.masker.maskValue(result) as Result;
  if (result.reason !== undefined) terminal.tell(failureText(masked));
  terminal.print(json ? `${visibleJson(masked)}\n` : visibleText(resultText(masked)));
  return exitCodeOf[result.result];
}

/** Whether `--json` was given, even if other arguments are wrong. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).includes("--json");
}

async function readOptions(
  terminal: Terminal,
  request: Extract<Request, { kind: "run" }>,
): Promise<Options> {
  const { reporter } = terminal;
  const typed = withEnvironment(request.raw, request.command, terminal.environment);
  const raw = await readReferences(typed, terminal.places, terminal.readText);
  for (const text of secretTexts(raw)) reporter.secret(text);
  const options = parseOptions(request.command, raw, terminal.places);
  for (const name of request.idle) {
    reporter.warning(`--${name} has no effect on ${request.command} and is ignored`);
  }
  return options;
}

function dependenciesOf(terminal: Terminal): Dependencies {
  const { reporter, clock, version, readInput, cancellation } = terminal;
  const { signal } = cancellation;
  return { reporter, clock, signal, version, readInput, destinations: {} };
}

/** Takes a value from the environment if its flag was omitted. Variables that the command does not use are ignored. */
function withEnvironment(
  raw: RawInputs,
  command: CommandName,
  environment: Terminal["environment"],
): RawInputs {
  const completed: Partial<Record<InputName, string>> = { ...raw };
  for (const name of Object.keys(inputs) as InputName[]) {
    const spec = inputSpec(name);
    const value = spec.environment === undefined ? undefined : environment[spec.environment];
    // An empty one is kept: it is not the same as none, see `requireEncryption`.
    if (value === undefined || !spec.commands.includes(command)) continue;
    completed[name] ??= value;
  }
  return completed;
}

function informationText(
  request: Exclude<Request, { kind: "run" }>,
  commands: Commands,
  version: string,
): string {
  if (request.kind === "version") return `${version}\n`;
  if (request.command === undefined) return programHelp(offeredCommands(commands));
  return commandHelp(request.command);
}
