import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { expect, it } from "vitest";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

it("an archive is made and read by a minified bundle, threads included", async () => {
  await using directory = await temporaryDirectory("sk-archive-");
  const path = (name: string) => join(directory.path, name);
  const input = { step: "bench/step.ts" };
  await using build = await rolldown({
    cwd: join(import.meta.dirname, "../.."),
    input,
    platform: "node",
  });
  await build.write({ dir: path("dist"), format: "esm", minify: true, comments: false });
  writeFileSync(path("dist/package.json"), '{ "type": "module" }');
  for (const name of ["data", "into"]) mkdirSync(path(name));
  const content = Buffer.concat([randomBytes(11_000_000), Buffer.alloc(3_000_000, "text ")]);
  writeFileSync(path("data/x"), content);
  const { identity, recipient } = await newKeyPair();
  writeFileSync(path("key"), identity);

  const step = (...words: string[]) =>
    execFileSync(process.execPath, [path("dist/step.js"), ...words], { cwd: directory.path });
  step("pack", path("data"), path("x.tar.zst.age"), recipient);
  step("contents", path("x.tar.zst.age"), path("key"));
  step("unpack", path("x.tar.zst.age"), path("key"), path("into"));

  expect(readFileSync(path("into/x")).equals(content)).toBe(true);
});
