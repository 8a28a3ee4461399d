import * as core from "@actions/core";
import { listenForSignals } from "../core/cancel.ts";
import { systemClock } from "../core/clock.ts";
import { takeInputs } from "../core/environment.ts";
import { describeError, RefusedError } from "../core/errors.ts";
import { Masker } from "../core/secrets.ts";
import { visibleText } from "../core/visible.ts";
import type { Commands } from "../operations/session/command.ts";
import { githubReporter } from "./github-reporter.ts";
import { readOptions, stepDependencies } from "./run.ts";
import { readState } from "./state.ts";
import { readInputs } from "./step-inputs.ts";

/**
 * The post step: finishes or undoes the operation of a cancelled or killed step. Idempotent; logs the reason if there is
 * nothing to do. If recovery fails, the job fails, because the stack may be down.
 */
export async function runPost(commands: Commands): Promise<void> {
  const { mode, ended } = readState();
  const { recover } = commands;
  if (mode === "") return core.info("nothing to do: the step changed nothing");
  if (ended) return core.info(`nothing to do: ${mode} ended on its own`);
  if (recover === undefined) return;
  const masker = new Masker();
  const reporter = githubReporter(masker, systemClock);
  try {
    const { raw } = readInputs(takeInputs(process.env), commands);
    const options = await readOptions("recover", raw, reporter);
    const { signal } = listenForSignals((message) => core.info(message));
    const result = await recover(options, stepDependencies(reporter, signal));
    core.info(`${mode} was interrupted: ${result.result}`);
    process.exit(0);
  } catch (error) {
    if (error instanceof RefusedError && error.class === "no-repository") {
      core.info(`nothing to do: ${mode} ended before it created the repository`);
      process.exit(0);
    }
    const text = `recovery after the interrupted ${mode} failed: ${describeError(error)}. Run: sophon-keeper recover`;
    core.error(visibleText(masker.mask(text)), { title: "Sophon Keeper: recover failed" });
    process.exit(1);
  }
}
