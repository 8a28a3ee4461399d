import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { mergeDelta } from "../../src/archive/delta/merge-delta.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { deltaBetween, gathered, inPieces, numbers } from "../unit/delta/streams.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/recovery.md"), "utf8");
const patchProgram = /<!-- patch.py -->\n\n```python\n([\s\S]*?)```/.exec(page)?.[1] ?? "";

const random = numbers(11);
const base = random.bytes(5_000_000);
const plain = Buffer.concat([
  ...[base.subarray(0, 700_000), random.bytes(50), base.subarray(700_000, 3_000_000)],
  ...[random.bytes(300_000), base.subarray(3_000_001), Buffer.alloc(70_000)],
]);

it("a delta made here opens with rdiff, with patch.py of the recovery page, and here", async () => {
  await using directory = await temporaryDirectory("sk-delta-");
  const at = (name: string) => join(directory.path, name);
  const delta = await deltaBetween(base, plain);
  writeFileSync(at("base"), base);
  writeFileSync(at("patch.py"), patchProgram);
  const output = { input: delta, maxBuffer: 1e9 };
  expect(execFileSync("rdiff", ["patch", at("base"), "-", "-"], output).equals(plain)).toBe(true);
  const patched = execFileSync("python3", [at("patch.py"), at("base")], output);
  expect(patched.equals(plain)).toBe(true);
  expect((await gathered(mergeDelta(inPieces(delta), inPieces(base)))).equals(plain)).toBe(true);
  // What is cut short is no success for any of them.
  const cut = {
    input: delta.subarray(0, delta.length - 1),
    maxBuffer: 1e9,
    stdio: "pipe" as const,
  };
  expect(() => execFileSync("python3", [at("patch.py"), at("base")], cut)).toThrow("cut short");
  writeFileSync(at("base"), base.subarray(0, 4_000_000));
  expect(() =>
    execFileSync("python3", [at("patch.py"), at("base")], { ...output, stdio: "pipe" }),
  ).toThrow("cut short");
});

it("a delta made by rdiff opens here", async () => {
  await using directory = await temporaryDirectory("sk-delta-");
  const at = (name: string) => join(directory.path, name);
  writeFileSync(at("base"), base);
  writeFileSync(at("plain"), plain);
  execFileSync("rdiff", ["signature", at("base"), at("signature")]);
  execFileSync("rdiff", ["delta", at("signature"), at("plain"), at("delta")]);
  const delta = readFileSync(at("delta"));
  expect(delta.length).toBeLessThan(plain.length / 4);
  expect((await gathered(mergeDelta(inPieces(delta), inPieces(base)))).equals(plain)).toBe(true);
});
