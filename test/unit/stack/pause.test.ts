import { expect, test } from "vitest";
import type { Engine } from "../../../src/stack/engine.ts";
import { pauseContainer } from "../../../src/stack/pause.ts";

/** A STAND-IN for the engine of a busy host: it refuses so many times, with the words that were seen. */
function busyEngine(refusals: number, words = "OCI runtime pause failed: unable to freeze") {
  const seen = { left: refusals, isPaused: false };
  const pause = async () => {
    if (seen.left === 0) {
      seen.isPaused = true;
      return;
    }
    seen.left -= 1;
    throw Object.assign(new Error(words), { statusCode: 500 });
  };
  return { seen, engine: { docker: { getContainer: () => ({ pause }) } } as unknown as Engine };
}

test("a container is paused although a busy host refuses for some seconds", async () => {
  const { seen, engine } = busyEngine(12);
  await pauseContainer(engine, "c");
  expect(seen.isPaused).toBe(true);
});

test("another refusal is told after two seconds, and a cancelled run does not wait", async () => {
  const { engine } = busyEngine(1_000, "no such container");
  await expect(pauseContainer(engine, "c")).rejects.toThrow("no such container");
  const cancelled = AbortSignal.abort(new Error("cancelled"));
  await expect(pauseContainer(busyEngine(1_000).engine, "c", cancelled)).rejects.toThrow(
    "cancelled",
  );
});
