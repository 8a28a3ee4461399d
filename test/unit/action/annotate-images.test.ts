import { afterEach, expect, it, vi } from "vitest";
import { annotateImages } from "../../../src/action/annotate-images.ts";
import type { Result } from "../../../src/model/result.ts";

const lines: string[] = [];

afterEach(() => {
  vi.restoreAllMocks();
  lines.length = 0;
});

function annotated(result: Result, workspace: string | undefined): string[] {
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  annotateImages(result, workspace);
  return lines;
}

const rehearsal = {
  ...{ source: "app-1", backupAgeSeconds: 1 },
  imageLines: [
    { service: "web", file: "/checkout/stack/compose.yml", line: 7 },
    { service: "db", file: "/elsewhere/compose.yml", line: 3 },
  ],
};
const reason = { class: "crash", message: "it ended\n::error::forged 100%" };

it.each([
  ["passed", undefined, "::notice "],
  ["failed", reason, "::error "],
  ["unverifiable", reason, "::warning "],
] as const)("a verdict (%s) stands beside the image line of the checkout", (word, why, kind) => {
  const result: Result = { result: word, seconds: 1, rehearsal, ...(why && { reason: why }) };
  const [only = "", ...more] = annotated(result, "/checkout");
  expect(more.join("").trim()).toBe("");
  expect(only.startsWith(kind)).toBe(true);
  expect(only).toContain("title=Sophon Keeper,file=stack/compose.yml,line=7");
  expect(only).toContain("::web: ");
  // What an image says cannot begin a command of the runner.
  expect(only.trim().split("\n")).toHaveLength(1);
});

it.each([
  ["outside of a checkout", rehearsal, undefined],
  ["of images that were named by hand", { ...rehearsal, imageLines: [] }, "/checkout"],
] as const)("there is no annotation %s", (_title, told, workspace) => {
  expect(annotated({ result: "passed", seconds: 1, rehearsal: told }, workspace)).toEqual([]);
});
