import { expect, it } from "vitest";
import { eachOf } from "../../../src/core/each-of.ts";

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  });

it("runs so many at once, and gives the results in order", async () => {
  let [now, most] = [0, 0];
  const results = await eachOf([30, 1, 20, 1, 1], { limit: 2 }, async (ms) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, ms));
    now -= 1;
    return ms * 2;
  });
  expect(results).toEqual([60, 2, 40, 2, 2]);
  expect(most).toBe(2);
  expect(await eachOf([], { limit: 2 }, async () => 1)).toEqual([]);
});

it("ends with the first failure once what had begun has ended, and begins nothing more", async () => {
  const events: string[] = [];
  const done = eachOf(["waits", "fails", "later"], { limit: 2 }, async (name, signal) => {
    events.push(`${name} begins`);
    if (name === "fails") throw new Error("first");
    await aborted(signal).finally(() => events.push(`${name} ends`));
  });
  await expect(done).rejects.toThrow("first");
  expect(events).toEqual(["waits begins", "fails begins", "waits ends"]);
});

it("ends when it is aborted", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const done = eachOf([1, 2], { limit: 1, signal }, async (_, own) => {
    controller.abort(new Error("cancelled"));
    await Promise.race([aborted(own), Promise.reject(own.reason)]);
  });
  await expect(done).rejects.toThrow("cancelled");
});
