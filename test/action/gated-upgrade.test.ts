// @module-tag exhaustive

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ageKey } from "../e2e/support/keeper.ts";
import { expectAsBefore, expectAtRest, look, repository } from "../e2e/upgrade-lab.ts";
import { ensureAct } from "../lab/act.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { ActRunner } from "./act.ts";

// The gated pipeline of a user, as it is in examples/, on this host as its self-hosted runner.

const example = join(import.meta.dirname, "..", "..", "examples", "gated-upgrade.yml");
let stack: LabStack;
let act: ActRunner;
let recipient: string;

beforeAll(async () => {
  await ensureAct();
  [stack, act] = await Promise.all([
    createStack({ tier: "personal", name: "gated" }),
    ActRunner.start(),
  ]);
  recipient = (await ageKey(stack)).recipient;
});
afterAll(async () => {
  await act?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

/** Nothing is changed but the paths, and the minutes that nobody wants to wait in a test. */
async function moveTo(reference: string, soak: string, more = "") {
  const paths = `project-directory: ${stack.directory}\n          repository: ${repository(stack)}`;
  const at = reference.lastIndexOf(":");
  return await act.run(await readFile(example, "utf8"), {
    inputs: { tag: `${reference.slice(at + 1)}${more}` },
    variables: { SOPHON_BACKUP_RECIPIENTS: recipient },
    replace: {
      "project-directory: /srv/sophon": paths,
      "buildersoftdev/sophon:$": `${reference.slice(0, at)}:$`,
      "soak: 5m": `soak: ${soak}`,
    },
  });
}

it("is red on a bad tag, and the old version runs on its data", async () => {
  const before = await look(stack);
  const run = await moveTo(await stack.publish(wrecking(badVersions["crash-loop"])), "30s");
  expect(run.code, run.log).not.toBe(0);
  expect(run.log).toContain("Job failed");
  expect(run.log).toContain("rolled-back");
  await expectAsBefore(stack, before, run.log);
});

it("is green on a good tag, and the new version runs", async () => {
  const run = await moveTo(await stack.publish("1.2.0"), "3s");
  expect(run.code, run.log).toBe(0);
  expect(run.log).toContain("Job succeeded");
  expect(run.log).toMatch(/docker compose --ansi never .* up --no-build .*\(\d/);
  expect((await gatewayState(stack)).version).toBe("1.2.0");
  await expectAtRest(stack, run.log);
});

it("takes one tag, not a list of images", async () => {
  const before = await look(stack);
  const run = await moveTo(await stack.publish("1.2.0"), "3s", ",postgres=example/evil:1");
  expect(run.code).not.toBe(0);
  expect(run.log).toContain("tag is no tag of an image");
  expect(run.steps).toEqual([]);
  await expectAsBefore(stack, before, run.log);
});
