import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import { silentReporter } from "../../src/core/reporter.ts";
import { laneCount, partSize, usualPartBytes } from "../../src/destinations/s3/file-parts.ts";
import { Pace } from "../../src/destinations/s3/pace.ts";

const [mib, gib] = [2 ** 20, 2 ** 30];

/** A transfer whose waits take no time, and what its clock shows after them. */
function transfer() {
  let ms = 0;
  const clock = {
    now: () => new Date(0),
    monotonicMs: () => ms,
    sleep: async (forMs: number) => {
      ms += forMs;
    },
  };
  const context = { reporter: silentReporter, clock, signal: new AbortController().signal };
  return { context, nowMs: () => ms };
}

it.each([
  [0, usualPartBytes],
  [usualPartBytes, usualPartBytes],
  [140 * gib, usualPartBytes],
  [200 * gib, 22 * mib],
  [5_120 * gib, 552 * mib],
])("a file of %i bytes has parts of %i: no more of them than S3 takes", (bytes, expected) => {
  const size = partSize(bytes, usualPartBytes);
  expect(size).toBe(expected);
  expect(Math.ceil(bytes / size)).toBeLessThanOrEqual(10_000);
  // 5 GiB is the largest part of S3; three buffers of the usual size are the most that lies in memory.
  expect(size).toBeLessThan(5 * gib);
  expect(laneCount(size) * size).toBeLessThanOrEqual(Math.max(3 * 64 * mib, size));
});

it("stands still on no connection, however low the limit and however many share it", async () => {
  const { context, nowMs } = transfer();
  const pace = new Pace(1024);
  const lanes = [1, 2, 3].map(() =>
    pace.stream(Buffer.alloc(2 ** 19), context)[Symbol.asyncIterator](),
  );
  const last = lanes.map(() => 0);
  for (let turn = 0; turn < 9; turn += 1) {
    const at = turn % lanes.length;
    await lanes[at]?.next();
    expect(nowMs() - (last[at] ?? 0)).toBeLessThan(10_000);
    last[at] = nowMs();
  }
});

it("keeps all transfers together below the limit, and changes no byte", async () => {
  const { context, nowMs } = transfer();
  const pace = new Pace(mib);
  const content = Buffer.alloc(2 * mib, "abc");
  const sent = await Promise.all([1, 2].map(() => buffer(pace.stream(content, context))));
  for (const one of sent) expect(one.equals(content)).toBe(true);
  // Four MiB at one MiB a second; the last slice of each need not be waited for.
  expect(nowMs()).toBeGreaterThan(3_500);
});
