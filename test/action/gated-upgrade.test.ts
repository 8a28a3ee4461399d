// @module-tag exhaustive

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { backedUp, rehearse } from "../e2e/rehearse-lab.ts";
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
async function moveTo(reference: string, soak: string, more = "", isRehearsed = true) {
  const paths = `project-directory: ${stack.directory}\n          repository: ${repository(stack)}`;
  const at = reference.lastIndexOf(":");
  return await act.run(await readFile(example, "utf8"), {
    inputs: { tag: `${reference.slice(at + 1)}${more}` },
    variables: { SOPHON_BACKUP_RECIPIENTS: recipient },
    replace: {
      "project-directory: /srv/sophon": paths,
      "buildersoftdev/sophon:$": `${reference.slice(0, at)}:$`,
      "soak: 5m": `soak: ${soak}`,
      // A bad image never passes a rehearsal: what then saves the stack is seen without it.
      ...(isRehearsed ? {} : { "require-rehearsal: 7d": "pin: file" }),
    },
  });
}

it("is red on a bad tag, and the old version runs on its data", async () => {
  const before = await look(stack);
  const run = await moveTo(
    await stack.publish(wrecking(badVersions["crash-loop"])),
    "30s",
    "",
    false,
  );
  expect(run.code, run.log).not.toBe(0);
  expect(run.log).toContain("Job failed");
  expect(run.log).toContain("rolled-back");
  await expectAsBefore(stack, before, run.log);
});

it("is refused without a rehearsal, green after one, and then the new version runs", async () => {
  const reference = await stack.publish("1.2.0");
  const before = await look(stack);
  const refused = await moveTo(reference, "3s");
  expect(refused.code).not.toBe(0);
  expect(refused.log).toContain("not-rehearsed");
  await expectAsBefore(stack, before, refused.log);
  await backedUp(stack);
  const rehearsed = await rehearse(stack, reference).done;
  expect(rehearsed.code, rehearsed.stderr).toBe(0);
  const run = await moveTo(reference, "3s");
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
