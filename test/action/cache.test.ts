// @module-tag exhaustive

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AgeKey, ageKey } from "../e2e/support/keeper.ts";
import { ensureAct } from "../lab/act.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
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

it("comes back from the cache alone, in another run", async () => {
  const steps = (inputs: string) => `
on: workflow_dispatch
jobs:
  job:
    runs-on: self-hosted
    steps:
      - uses: sophon-keeper/sophon-keeper@v0
        with:
          project-directory: ${stack.directory}
          ${inputs.trim().split("\n").join("\n          ")}
`;
  const backup = `mode: backup
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

  const verifier = /AGE-SECRET-KEY-1\w+/.exec(await readFile(key.identity, "utf8"))?.[0] ?? "";
  const other = join(stack.scratch, "other");
  const restore = `mode: restore
repository: ${other}
backup: cache
identity: \${{ secrets.SOPHON_VERIFY_IDENTITY }}
target: ${join(stack.scratch, "plain")}`;
  const secrets = { SOPHON_VERIFY_IDENTITY: verifier };
  const day = await act.run(steps(restore), { hasCache: true, secrets });
  expect(day.code, day.log).toBe(0);
  expect(day.steps[0]?.outputs).toMatchObject({ result: "restored", "backup-id": id });
  expect(await readdir(join(other, "backups"))).toEqual([id]);
  expect(await readdir(join(stack.scratch, "plain"))).not.toEqual([]);
});
