import { hostname } from "node:os";
import type { Cancellation } from "../core/cancel.ts";
import type { Clock } from "../core/clock.ts";
import { environmentSecrets } from "../core/environment.ts";
import { type ExitCode, exitCodeOf, RefusedError } from "../core/errors.ts";
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
import { chooseStacks } from "../options/config-file.ts";
import { findConfig } from "../options/find-config.ts";
import { type RawInputs, readReferences } from "../options/input-files.ts";
import { type InputName, inputSpec, inputs, inputsOf } from "../options/inputs.ts";
import { type Options, parseOptions } from "../options/parse.ts";
import { secretTexts } from "../options/secret-texts.ts";
import type { InputSpec } from "../options/spec.ts";
import { absolute, type Places } from "../options/values.ts";
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
  /** How wide the terminal is; undefined if there is none. */
  readonly columns?: number | undefined;
  /** Where a configuration file is looked for, in order, if none is given. */
  readonly configDirectories?: readonly string[];
  /** Writes the result. With `--json` this is called exactly once, or once for each stack of `--stack all`. */
  readonly print: (text: string) => void;
  /** Writes a message for a person to standard error. */
  readonly tell: (text: string) => void;
  readonly readText: (path: string) => Promise<string>;
  readonly readInput: () => Promise<Uint8Array>;
  /** Asks whoever is at the terminal; undefined without a terminal. */
  readonly ask?: Dependencies["ask"];
}

/** What one run of a command is about. */
interface Run {
  readonly command: CommandName;
  /** The name of the stack in the configuration file. */
  readonly stack: string | undefined;
  readonly raw: RawInputs;
  /** The inputs that come from the configuration file, and its path. */
  readonly fromFile: readonly InputName[];
  readonly file: string | undefined;
}

/**
 * Runs one command line and returns its exit code, for several stacks the worst of theirs. Never throws: every error becomes a
 * result.
 */
export async function runCli(terminal: Terminal, commands: Commands): Promise<ExitCode> {
  const json = wantsJson(terminal.argv);
  const startMs = terminal.clock.monotonicMs();
  try {
    const request = parseArguments(terminal.argv, offeredCommands(commands));
    if (request.kind !== "run") {
      terminal.print(informationText(request, commands, terminal));
      return 0;
    }
    const runs = await runsOf(terminal, request);
    for (const name of request.idle) {
      terminal.reporter.warning(`--${name} has no effect on ${request.command} and is ignored`);
    }
    const codes: ExitCode[] = [];
    for (const run of runs) {
      if (terminal.cancellation.cancelledBy() !== undefined && codes.length > 0) break;
      if (runs.length > 1) terminal.tell(`stack ${run.stack}`);
      codes.push(await runOne(terminal, commands, run, json));
    }
    return worstOf(codes);
  } catch (error) {
    const seconds = Math.round(terminal.clock.monotonicMs() - startMs) / 1000;
    return finish(
      failureResult(error, seconds, terminal.cancellation.cancelledBy()),
      terminal,
      json,
    );
  }
}

async function runOne(
  terminal: Terminal,
  commands: Commands,
  run: Run,
  json: boolean,
): Promise<ExitCode> {
  const startMs = terminal.clock.monotonicMs();
  const seconds = () => Math.round(terminal.clock.monotonicMs() - startMs) / 1000;
  let asked: Options | undefined;
  const publishing = {
    ...{ version: terminal.version, host: hostname(), home: terminal.places.home },
    warn: (text: string) => terminal.reporter.warning(text),
  };
  const end = async (given: Result) => {
    const result = run.stack === undefined ? given : { ...given, stack: run.stack };
    if (asked !== undefined && !asked.printConfig) {
      const masked = terminal.masker.maskValue(result) as Result;
      await publish(masked, asked, { ...publishing, clock: terminal.clock });
    }
    return finish(result, terminal, json);
  };
  try {
    asked = await readOptions(terminal, run);
    if (asked.printConfig) {
      return await end({ result: "planned", seconds: seconds(), plan: usedInputs(run) });
    }
    await publishStart(asked, publishing.warn);
    const command = commands[run.command] as Command;
    return await end(await command(asked, dependenciesOf(terminal)));
  } catch (error) {
    return await end(failureResult(error, seconds(), terminal.cancellation.cancelledBy()));
  }
}

/** From the worst on: what needs a person first, then what failed, then what was not tried. */
const byWeight: readonly ExitCode[] = [7, 1, 6, 3, 4, 5, 130, 8, 2, 0];

function worstOf(codes: readonly ExitCode[]): ExitCode {
  return byWeight.find((code) => codes.includes(code)) ?? 0;
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

/** The runs that a command line asks for: one for each stack of the configuration file that it names. */
async function runsOf(
  terminal: Terminal,
  { command, raw: flags }: Extract<Request, { kind: "run" }>,
): Promise<readonly Run[]> {
  const raw = withEnvironment(flags, command, terminal.environment);
  const alone = { command, stack: undefined, raw, fromFile: [], file: undefined };
  if (!inputSpec("config").commands.includes(command)) return [alone];
  const { places, configDirectories = [], readText } = terminal;
  const project = raw["project-directory"];
  const near = project === undefined ? [] : [absolute(project.trim(), places)];
  const directories = configDirectories.length === 0 ? [] : [...near, ...configDirectories];
  const file = await findConfig(raw.config, directories, places, readText);
  if (file === undefined) {
    if (raw.stack === undefined) return [alone];
    const message = "stack is given, but there is no configuration file: give config";
    throw new RefusedError(message, { class: "config" });
  }
  return chooseStacks(file, raw.stack).map(({ stack, raw: standing }) => ({
    ...{ command, stack, raw: { ...standing, ...raw }, file: file.path },
    fromFile: (Object.keys(standing) as InputName[]).filter((name) => raw[name] === undefined),
  }));
}

async function readOptions(terminal: Terminal, run: Run): Promise<Options> {
  const { reporter } = terminal;
  try {
    const raw = await readReferences(run.raw, terminal.places, terminal.readText);
    const secrets = [...secretTexts(raw), ...environmentSecrets(terminal.environment)];
    for (const text of secrets) reporter.secret(text);
    return parseOptions(run.command, raw, terminal.places);
  } catch (error) {
    throw inFile(error, run);
  }
}

/** Names the file where the refused value stands in it. */
function inFile(error: unknown, { file, fromFile }: Run): unknown {
  if (!(error instanceof RefusedError)) return error;
  const named = fromFile.some((name) => new RegExp(`^${name}[ :]`).test(error.message));
  if (!named || file === undefined) return error;
  return new RefusedError(`${file}: ${error.message}`, { class: error.class, cause: error });
}

/** Each input of the command that has a value, and where that comes from. Secrets are not shown. */
function usedInputs({ command, raw, fromFile, file }: Run): Record<string, string> {
  const hidden = ["print-config", "json", "config", "stack"];
  const shown = inputsOf([command]).filter(([name]) => !hidden.includes(name));
  return Object.fromEntries(
    shown.flatMap(([name, spec]) => {
      const value = raw[name];
      const from = fromFile.includes(name) ? file : "given";
      if (value !== undefined) {
        return [[name, `${shownValue(spec, value)} (${from})`]];
      }
      return spec.default === undefined ? [] : [[name, `${spec.default} (default)`]];
    }),
  );
}

/** A path to a secret may be shown, the secret may not. */
function shownValue({ kind }: InputSpec, value: string): string {
  const isSecret = kind === "secret" || kind === "addresses" || kind === "identities";
  if (isSecret && !/^(@|\/|\["\/)/.test(value)) return "***";
  return value.startsWith("[") ? value : value.replaceAll("\n", ", ");
}

function dependenciesOf(terminal: Terminal): Dependencies {
  const { reporter, clock, version, readInput, cancellation, ask } = terminal;
  const { signal } = cancellation;
  return { reporter, clock, signal, version, readInput, ask, destinations: {} };
}

/**
 * Takes a value from the environment if its flag was omitted. Variables that the command does not use are ignored.
 *
 * @throws RefusedError for a variable that is named like an input which only a flag or the configuration file gives.
 */
function withEnvironment(
  raw: RawInputs,
  command: CommandName,
  environment: Terminal["environment"],
): RawInputs {
  const completed: Partial<Record<InputName, string>> = { ...raw };
  for (const name of Object.keys(inputs) as InputName[]) {
    const spec = inputSpec(name);
    const value = spec.environment === undefined ? undefined : environment[spec.environment];
    if (!spec.commands.includes(command)) continue;
    refuseUnread(name, raw, environment);
    // An empty one is kept: it is not the same as none, see `requireEncryption`.
    if (value !== undefined) completed[name] ??= value;
  }
  return completed;
}

/** Whoever sets `SOPHON_KEEPER_RECIPIENTS` wants an encrypted backup, and must not get a readable one. */
function refuseUnread(name: InputName, raw: RawInputs, environment: Terminal["environment"]): void {
  const variable = `SOPHON_KEEPER_${name.toUpperCase().replaceAll("-", "_")}`;
  const isRead = inputSpec(name).environment === variable;
  if (isRead || raw[name] !== undefined || environment[variable] === undefined) return;
  const message = `${variable} is not read: give --${name}, or ${name} in the configuration file`;
  throw new RefusedError(message, { class: "usage" });
}

function informationText(
  request: Exclude<Request, { kind: "run" }>,
  commands: Commands,
  { version, columns }: Terminal,
): string {
  const wide = columns === undefined ? {} : { width: columns };
  if (request.kind === "version") return `${version}\n`;
  if (request.command === undefined) return programHelp(offeredCommands(commands), columns);
  return commandHelp(request.command, wide);
}
