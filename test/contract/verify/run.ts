import { verify } from "../../../src/commands/verify.ts";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import type { Result } from "../../../src/model/result.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { parseOptions } from "../../../src/options/parse.ts";

/** Verifies as the command line does, on a host without an engine. */
export async function runVerify(raw: RawInputs, clock: Clock = systemClock): Promise<Result> {
  const options = parseOptions("verify", raw, { workingDirectory: "/", home: undefined });
  const noEngine = async (): Promise<never> => {
    throw new RefusedError("there is no engine");
  };
  return await verify(options, {
    reporter: silentReporter,
    clock,
    signal: new AbortController().signal,
    version: "0.0.0",
    readInput: async () => new Uint8Array(),
    destinations: {},
    host: {
      project: noEngine,
      readStack: noEngine,
      workbench: noEngine,
      engine: noEngine,
    },
  });
}
