import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { scanLog } from "../../../src/commands/scan-log.ts";
import type { FailureClass } from "../../../src/log-scan/failure-class.ts";
import { type ContainerState, scan } from "../../../src/log-scan/scan.ts";

/** One labelled log; the label is the state at the end of the excerpt. */
interface Example {
  readonly file: string;
  readonly label: "fail" | "benign";
  readonly format: string;
  readonly about: string;
  readonly class?: FailureClass;
  readonly state?: ContainerState;
}

const folder = join(import.meta.dirname, "../../fixtures/logs");
const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as Example[];

describe.each(index)("$file: $about ($format)", (example) => {
  const text = readFileSync(join(folder, example.file), "utf8");
  const verdict = example.label === "fail" ? "failed" : "clean";

  test(`is ${verdict} with the container's state`, () => {
    const found = scan(text, example.state === undefined ? {} : { state: example.state });
    expect({ verdict: found.verdict, class: found.decisive?.class }).toEqual({
      verdict,
      class: example.class,
    });
  });

  test("is told the same where the log is piped in", () => {
    const state = example.state === undefined ? {} : { state: example.state };
    expect(scanLog(Buffer.from(text), state, { clock: { monotonicMs: () => 0 } }).result).toBe(
      verdict,
    );
  });
});
