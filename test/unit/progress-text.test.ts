import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { terminalReporter } from "../../src/cli/terminal.ts";
import { systemClock } from "../../src/core/clock.ts";
import { Pace } from "../../src/core/progress-text.ts";
import { expecting, silentReporter } from "../../src/core/reporter.ts";
import { Masker } from "../../src/core/secrets.ts";

const mib = 2 ** 20;

test("rate and time left are told once they are known, of each step by itself", () => {
  const pace = new Pace();
  expect(pace.text("data", { bytes: 0, of: 400 * mib }, 0)).toBe("data: 0 %, 0 B of about 400 MiB");
  expect(pace.text("db", { bytes: 0 }, 500)).toBe("db: 0 B");
  expect(pace.text("data", { bytes: 100 * mib, of: 400 * mib }, 10_000)).toBe(
    "data: 25 %, 100 MiB of about 400 MiB, 10 MiB/s, 30.0 s left",
  );
  expect(pace.text("db", { bytes: 20 * mib }, 10_500)).toBe("db: 20 MiB, 2.0 MiB/s");
  // More than there was, because it is written meanwhile.
  expect(pace.text("data", { bytes: 500 * mib, of: 400 * mib }, 50_000)).toBe(
    "data: 500 MiB, 10 MiB/s",
  );
});

test("a step that begins anew, or stands still, has no time left", () => {
  const pace = new Pace();
  pace.text("data", { bytes: 300 * mib, of: 400 * mib }, 0);
  expect(pace.text("data", { bytes: mib, of: 400 * mib }, 60_000)).toBe(
    "data: 0 %, 1.0 MiB of about 400 MiB",
  );
  expect(pace.text("data", { bytes: mib, of: 400 * mib }, 90_000)).toBe(
    "data: 0 %, 1.0 MiB of about 400 MiB",
  );
});

/** What a reporter writes while a step of 100 MiB takes a hundred seconds. */
async function written(interactive: boolean): Promise<string> {
  let [text, nowMs] = ["", 0];
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const masker = new Masker();
  const reporter = terminalReporter({ stream, interactive, debug: false, masker, clock });
  await reporter.group("Copy data", async () => {
    for (let second = 0; second <= 100; second += 1) {
      nowMs = second * 1_000;
      reporter.progress("data", { bytes: second * mib, of: 100 * mib });
    }
  });
  return text;
}

test("a log has a line every half minute, a terminal one line with a bar", async () => {
  expect((await written(false)).split("\n")).toEqual([
    "• Copy data",
    "  data: 30 %, 30 MiB of about 100 MiB, 1.0 MiB/s, 1 min 10 s left",
    "  data: 60 %, 60 MiB of about 100 MiB, 1.0 MiB/s, 40.0 s left",
    "  data: 90 %, 90 MiB of about 100 MiB, 1.0 MiB/s, 10.0 s left",
    "  done in 1 min 40 s",
    "",
  ]);
  const terminal = await written(true);
  expect(terminal.split("\n")).toHaveLength(3);
  expect(terminal).toContain("data: [#####---------------] 25 %, 1.0 MiB/s, 1 min 15 s left");
});

test("what the last run says of a step's size stands in for a size that is not known", () => {
  const told: unknown[] = [];
  const reporter = { ...silentReporter, progress: (...line: unknown[]) => void told.push(line) };
  const sized = expecting(reporter, { db: 7 });
  sized.progress("db", { bytes: 1 });
  sized.progress("data", { bytes: 1, of: 3 });
  sized.progress("new", { bytes: 1 });
  sized.progress("a line");
  expect(told).toEqual([
    ["db", { bytes: 1, of: 7 }],
    ["data", { bytes: 1, of: 3 }],
    ["new", { bytes: 1, of: undefined }],
    ["a line", undefined],
  ]);
});
