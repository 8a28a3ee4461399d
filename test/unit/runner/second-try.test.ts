import { expect, test, vi } from "vitest";
import { type Counts, noCounts } from "../../runner/counts.ts";
import { type RunAlone, trySecond } from "../../runner/second-try.ts";

vi.spyOn(console, "log").mockImplementation(() => undefined);

const place = { project: "e2e", file: "a.test.ts" };
const failed = (...names: string[]): Counts => ({
  ...noCounts,
  passed: 7,
  failed: names.length,
  failures: names.map((name) => ({ what: name, place: { ...place, names: [name] } })),
});
const enough = () => 30;
const gives =
  (code: number, ...passed: string[]): RunAlone =>
  async () => ({ code, passed });

test("what passes alone counts as passed, and the rest stays failed", async () => {
  const total = await trySecond(failed("x > 1", "x > 2"), enough, gives(1, "x > 2"));
  expect(total).toMatchObject({ passed: 8, failed: 1, failures: [{ what: "x > 1" }] });
});

test("a file that failed as a whole needs a run that ends well", async () => {
  const counts: Counts = { ...noCounts, failed: 1, failures: [{ what: "a.test.ts", place }] };
  expect(await trySecond(counts, enough, gives(0, "1", "2"))).toMatchObject({
    passed: 2,
    failed: 0,
  });
  expect(await trySecond(counts, enough, gives(1, "1"))).toMatchObject({ passed: 0, failed: 1 });
  expect(await trySecond(counts, enough, gives(1))).toMatchObject({ passed: 0, failed: 1 });
  expect(await trySecond(counts, enough, gives(0))).toMatchObject({ passed: 0, failed: 1 });
});

test("chosen tests of a file that failed as a whole are all tried, and must all pass", async () => {
  const names = ["1", "2"];
  const failures = [{ what: "a.test.ts", place: { ...place, names } }];
  const counts: Counts = { ...noCounts, failed: 1, failures };
  const runs: RunAlone = async (_, tried) => ({ code: 0, passed: tried });
  expect(await trySecond(counts, enough, runs)).toMatchObject({ passed: 2, failed: 0 });
  expect(await trySecond(counts, enough, gives(0, "1"))).toMatchObject({ passed: 0, failed: 1 });
});

test("nothing is tried again after many failures, a part that failed, or when the time is over", async () => {
  const many = failed(...Array.from({ length: 11 }, (_, at) => String(at)));
  const part: Counts = { ...failed("1"), failures: [...failed("1").failures, { what: "check" }] };
  const never: RunAlone = async () => {
    throw new Error("it was tried");
  };
  for (const counts of [noCounts, many, part])
    expect(await trySecond(counts, enough, never)).toBe(counts);
  expect(await trySecond(failed("1"), () => 2, never)).toMatchObject({ failed: 1 });
});
