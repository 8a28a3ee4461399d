import { expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { ExecError } from "../../../src/core/exec.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { testRestoreOf } from "../../../src/operations/verify/test-restore.ts";
import type { Engine } from "../../../src/stack/engine.ts";
import { manifestOf } from "../../contract/verify/backup.ts";

/** The checks of a test restore whose stack files cannot be unpacked, for this reason. */
async function checksAfter(error: unknown) {
  const dependencies = {
    ...{ reporter: silentReporter, clock: systemClock, signal: new AbortController().signal },
    ...{ version: "0.0.0", readInput: async () => new Uint8Array(), destinations: {} },
    host: {
      engine: async () => ({}) as Engine,
      workbench: async () => {
        throw new Error("it is not asked for");
      },
    },
  };
  const options = { cloneHealth: "on", healthTimeoutMs: 1, logAllow: [], logDeny: [] } as const;
  const manifest = manifestOf("sophon-20260102T030405Z-00aa", []);
  const source = { directory: "/", identities: [], passphrase: undefined };
  const open = async () => {
    throw error;
  };
  return await testRestoreOf(
    open,
    { manifest, source, operationId: "verify-1", options },
    dependencies,
  );
}

function failed(details: Partial<ConstructorParameters<typeof ExecError>[0]>): ExecError {
  const nothing = { exitCode: null, signal: null, timedOut: false, stderr: "", stdout: "" };
  return new ExecError({ command: "tar", ...nothing, ...details });
}

it.each([
  ["a disk is full", Object.assign(new Error("ENOSPC"), { code: "ENOSPC" })],
  ["tar finds no room", failed({ exitCode: 2, stderr: "tar: x: No space left on device" })],
  ["tar is killed", failed({ signal: "SIGKILL" })],
  ["tar is missing", failed({ exitCode: 127 })],
  ["the engine is down", new RefusedError("the Docker engine does not answer")],
])("a test restore says that it could not be made when %s", async (_, error) => {
  const checks = await checksAfter(error);
  expect(checks).toMatchObject([{ name: "scratch project", status: "unverifiable" }]);
});

it("a test restore does not take a bug for anything else", async () => {
  await expect(checksAfter(new TypeError("x is not a function"))).rejects.toThrow(TypeError);
});
