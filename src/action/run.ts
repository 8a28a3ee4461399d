import { hostname } from "node:os";
import * as core from "@actions/core";
import { type Cancellation, listenForSignals } from "../core/cancel.ts";
import { systemClock } from "../core/clock.ts";
import { environmentSecrets, takeInputs } from "../core/environment.ts";
import { exitCodeOf, exitCodes, LockedError, RefusedError } from "../core/errors.ts";
import { namedFileLimitBytes, readNamedFile } from "../core/regular-file.ts";
import type { Reporter } from "../core/reporter.ts";
import { Masker } from "../core/secrets.ts";
import { listenToTimings } from "../core/timing.ts";
import { visibleText } from "../core/visible.ts";
import { artifactDestination } from "../destinations/artifact.ts";
import { githubArtifacts } from "../destinations/artifact-service.ts";
import { cacheDestination } from "../destinations/cache.ts";
import { githubCache } from "../destinations/cache-service.ts";
import type { Result } from "../model/result.ts";
import type { Commands, Dependencies } from "../operations/session/command.ts";
import type { CommandName } from "../options/command-names.ts";
import { chooseStacks } from "../options/config-file.ts";
import { findConfig } from "../options/find-config.ts";
import { type RawInputs, readReferences } from "../options/input-files.ts";
import { type InputName, inputSpec } from "../options/inputs.ts";
import { mayBackUp, type Options, parseOptions } from "../options/parse.ts";
import { secretTexts } from "../options/secret-texts.ts";
import type { Places } from "../options/values.ts";
import { failureResult } from "../report/failure.ts";
import { summaryMarkdown } from "../report/markdown.ts";
import { publish, publishStart } from "../report/publish.ts";
import { failureText } from "../report/text.ts";
import { version } from "../version.ts";
import { annotateImages } from "./annotate-images.ts";
import { shownCommand } from "./command-log.ts";
import { readEvent, requireTrustedEvent } from "./github-event.ts";
import { githubReporter } from "./github-reporter.ts";
import { outputs } from "./outputs.ts";
import { requireOwnPullRequest } from "./own-pull-request.ts";
import { commented } from "./rehearsal-comment.ts";
import { markEnded, markStarted } from "./state.ts";
import { readInputs } from "./step-inputs.ts";

/** GitHub rejects a summary of more than 1 MiB, and may silently drop one that is slightly smaller. */
const summaryLimitBytes = 900 * 1024;

/** The main step: runs the mode, then writes outputs, summary and, after a failure, one annotation. */
export async function runStep(commands: Commands): Promise<void> {
  const masker = new Masker();
  const reporter = githubReporter(masker, systemClock);
  const cancellation = listenForSignals((message) => core.info(message));
  const startMs = systemClock.monotonicMs();
  endOnCrash(masker);
  listenToTimings((timing) => {
    const line = shownCommand(timing);
    if (line !== undefined) core.info(visibleText(masker.mask(line)));
  });
  let result: Result;
  let asked: Options | undefined;
  try {
    result = await runMode(commands, reporter, cancellation, (options) => {
      asked = options;
    });
    markEnded();
  } catch (error) {
    const seconds = Math.round(systemClock.monotonicMs() - startMs) / 1000;
    result = failureResult(error, seconds, cancellation.cancelledBy());
    // These two errors left nothing behind; after any other failure the post step recovers.
    if (error instanceof RefusedError || error instanceof LockedError) markEnded();
  }
  let masked = masker.maskValue(result) as Result;
  if (asked?.command === "upgrade-test" && asked.target === "rehearsal") {
    masked = await commented(masked, asked, {
      ...{
        environment: process.env,
        payload: (await readEvent(process.env)).payload,
        now: systemClock.now(),
      },
      notice: (text) => core.notice(visibleText(masker.mask(text)), { title: "Sophon Keeper" }),
    });
  }
  annotateImages(masked, process.env.GITHUB_WORKSPACE);
  if (asked !== undefined) {
    await publish(masked, asked, {
      ...{ clock: systemClock, version, host: hostname(), home: process.env.HOME },
      warn: (text) => reporter.warning(text),
    });
  }
  await tell(masked, asked?.command);
  // An open socket must not keep the step running.
  process.exit(exitCodeOf[result.result]);
}

/** For how long the answer of an earlier rehearsal is good, by event; 0 is only for the very same backup. */
const reusedAfter: Readonly<Record<string, string>> = {
  // A queue waits for the answer, and the pull request of the same change was rehearsed.
  merge_group: "7d",
  // A push that changes neither the images nor the definition tries nothing new.
  pull_request: "0",
  pull_request_target: "0",
};

function withReuse(command: CommandName, raw: RawInputs, event: string): RawInputs {
  const rehearses = command === "upgrade-test" && raw.target?.trim() === "rehearsal";
  const isAsked = (raw["reuse-rehearsal"] ?? "").trim() !== "";
  const after = reusedAfter[event];
  if (after === undefined || !rehearses || isAsked) return raw;
  return { ...raw, "reuse-rehearsal": after };
}

/** Whether it leaves nothing to recover. */
function changesNothing(options: Options): boolean {
  const { command, target } = options;
  return command === "upgrade-test" && target === "rehearsal" && !mayBackUp(options);
}

/** Reports an uncaught error as a bug. The post step recovers whatever was started. */
function endOnCrash(masker: Masker): void {
  const crash = (error: unknown) => {
    const result = failureResult(
      error,
      Math.round(systemClock.monotonicMs()) / 1000,
      undefined,
      false,
    );
    const end = () => process.exit(exitCodes.bug);
    tell(masker.maskValue(result) as Result, undefined).then(end, end);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}

async function runMode(
  commands: Commands,
  reporter: Reporter,
  cancellation: Cancellation,
  onOptions: (options: Options) => void,
): Promise<Result> {
  const { command, raw, unknown } = readInputs(takeInputs(process.env), commands);
  for (const name of unknown) reporter.info(`ignored: ${name} is not an input of this action`);
  const event = await readEvent(process.env);
  requireTrustedEvent(event);
  await requireOwnPullRequest(event, process.env, raw["github-token"]?.trim());
  const options = await readOptions(command, withReuse(command, raw, event.name), reporter);
  onOptions(options);
  // A rehearsal changes nothing of the stack: its remains are found by their labels, in the next run of any mode.
  if (!changesNothing(options)) markStarted(command);
  await publishStart(options, (text) => reporter.warning(text));
  const run = commands[command];
  if (run === undefined) throw new Error(`no command ${command}`);
  return await run(options, stepDependencies(reporter, cancellation.signal));
}

/** The dependencies of a command inside a step. */
export function stepDependencies(reporter: Reporter, signal: AbortSignal): Dependencies {
  const destinations = {
    artifact: artifactDestination(githubArtifacts(process.env)),
    cache: cacheDestination(githubCache(process.env)),
  };
  const readInput = async () => new Uint8Array();
  return { reporter, clock: systemClock, signal, version, readInput, destinations };
}

/** Returns the validated options of a command, and masks its secrets in the log from now on. */
export async function readOptions(
  command: CommandName,
  typed: RawInputs,
  reporter: Reporter,
): Promise<Options> {
  const workingDirectory = process.env.GITHUB_WORKSPACE ?? process.cwd();
  const places = { workingDirectory, home: process.env.HOME };
  const inputs = await withConfig(typed, places);
  const given = secretTexts(inputs).filter((text) => !/^[@~./]/.test(text));
  for (const text of [...given, ...environmentSecrets(process.env)]) reporter.secret(text);
  const raw = await readReferences(inputs, places, (path) =>
    readNamedFile(path, namedFileLimitBytes),
  );
  for (const text of secretTexts(raw)) reporter.secret(text);
  return parseOptions(command, raw, places, "action");
}

/**
 * The inputs of the step, and from the configuration file what the step leaves to its default: the runner fills in defaults, so
 * an input that has its default counts as omitted.
 */
async function withConfig(typed: RawInputs, places: Places): Promise<RawInputs> {
  const read = (path: string) => readNamedFile(path, namedFileLimitBytes);
  const file =
    typed.config === undefined ? undefined : await findConfig(typed.config, [], places, read);
  if (file === undefined) return typed;
  const chosen = chooseStacks(file, typed.stack);
  const [only] = chosen;
  if (only === undefined || chosen.length > 1) {
    const fix = "name one, and use a matrix of the workflow for several";
    throw new RefusedError(`stack is all, but a step is about one stack: ${fix}`, {
      class: "config",
    });
  }
  const given = Object.entries(typed).filter(
    ([name, text]) => text.trim() !== inputSpec(name as InputName).default,
  );
  return { ...typed, ...only.raw, ...Object.fromEntries(given) };
}

async function tell(result: Result, command = ""): Promise<void> {
  for (const output of outputs) core.setOutput(output.name, output.of(result) ?? "");
  if (process.env.GITHUB_STEP_SUMMARY !== undefined) {
    const markdown = summaryMarkdown(result, command);
    const fits = Buffer.byteLength(markdown) < summaryLimitBytes;
    const told = fits
      ? markdown
      : summaryMarkdown({ ...result, checks: [], components: [] }, command);
    await core.summary.addRaw(told).write();
  }
  if (exitCodeOf[result.result] === exitCodes.done) return;
  const text = failureText(result) || `the result is ${result.result}, see the summary`;
  core.error(visibleText(text), { title: `Sophon Keeper: ${result.result}` });
}
