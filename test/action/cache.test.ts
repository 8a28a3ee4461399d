// @module-tag exhaustive

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AgeKey, ageKey } from "../e2e/support/keeper.ts";
import { leaksInBytes } from "../e2e/support/leaks.ts";
import { expectAsBefore, look } from "../e2e/upgrade-lab.ts";
import { ensureAct } from "../lab/act.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { ActRunner } from "./act.ts";

// A backup that goes through the cache of a workflow: act's own server, of the first version of the protocol.

let stack: LabStack;
let act: ActRunner;
let key: AgeKey;

beforeAll(async () => {
  await ensureAct();
  [stack, act] = await Promise.all([
    createStack({ tier: "personal", name: "act-cache" }),
    ActRunner.start(),
  ]);
  key = await ageKey(stack);
});
afterAll(async () => {
  await act?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

function steps(inputs: string): string {
  return `
on: workflow_dispatch
jobs:
  job:
    runs-on: self-hosted
    steps:
      - uses: sophon-keeper/sophon-keeper@v0
        with:
          ${inputs.trim().split("\n").join("\n          ")}
`;
}

/** The private key, as a secret of the GitHub repository. */
async function identitySecret(): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(key.identity, "utf8");
  return { SOPHON_VERIFY_IDENTITY: /AGE-SECRET-KEY-1\w+/.exec(text)?.[0] ?? "" };
}

/** Makes a backup that is saved in the cache. @returns its id. */
async function savedBackup(): Promise<string | undefined> {
  const backup = `mode: backup
project-directory: ${stack.directory}
repository: ${join(stack.scratch, "repository")}
recipients: ${key.recipient}
upload: cache`;
  const night = await act.run(steps(backup), { hasCache: true });
  expect(night.code, night.log).toBe(0);
  const [made] = night.steps;
  const id = made?.outputs["backup-id"];
  expect(JSON.parse(String(made?.outputs.json))).toMatchObject({
    uploads: [{ backupId: id, to: "cache", proof: "listed" }],
    warnings: [],
  });
  expect(night.log).toContain("every pull request may read them");
  return id;
}

it("comes back from the cache alone, in another run", async () => {
  const id = await savedBackup();
  const other = join(stack.scratch, "other");
  const restore = `mode: restore
project-directory: ${stack.directory}
repository: ${other}
backup: cache
identity: \${{ secrets.SOPHON_VERIFY_IDENTITY }}
target: ${join(stack.scratch, "plain")}`;
  const secrets = await identitySecret();
  const day = await act.run(steps(restore), { hasCache: true, secrets });
  expect(day.code, day.log).toBe(0);
  expect(day.steps[0]?.outputs).toMatchObject({ result: "restored", "backup-id": id });
  expect(await readdir(join(other, "backups"))).toEqual([id]);
  expect(await readdir(join(stack.scratch, "plain"))).not.toEqual([]);
});

it("is rehearsed on by a run that has neither the stack nor its repository", async () => {
  const id = await savedBackup();
  const before = await look(stack);
  const other = join(stack.scratch, "of-another-runner");
  const rehearsal = (reference: string) => `mode: upgrade-test
target: rehearsal
project-name: ${stack.projectName}
repository: ${other}
backup: cache
identity: \${{ secrets.SOPHON_VERIFY_IDENTITY }}
images: sophon-gateway=${reference}
soak: 3s`;
  const secrets = await identitySecret();
  const good = steps(rehearsal(await stack.publish(goodVersions["1.2.0"])));
  const day = await act.run(good, { hasCache: true, secrets });
  expect(day.code, day.log).toBe(0);
  const [step] = day.steps;
  expect(step?.outputs).toMatchObject({ result: "passed", "backup-id": id });
  expect(step?.summary).toContain(stack.reference("1.2.0"));
  expect(await readdir(join(other, "backups"))).toEqual([id]);
  const bad = steps(rehearsal(await stack.publish(wrecking(badVersions["crash-loop"]))));
  const red = await act.run(bad, { hasCache: true, secrets });
  expect(red.code).not.toBe(0);
  expect(red.steps[0]?.outputs).toMatchObject({ result: "failed" });
  for (const { summary, outputs } of [step, red.steps[0]].filter((one) => one !== undefined)) {
    const told = Buffer.from(summary + JSON.stringify(outputs));
    expect(leaksInBytes("told", told, [...stack.secrets, ...Object.values(secrets)])).toEqual([]);
  }
  await expectAsBefore(stack, before, red.log);
});
