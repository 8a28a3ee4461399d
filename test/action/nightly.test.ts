// @module-tag exhaustive

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withoutSealed } from "../../src/model/manifest.ts";
import { type AgeKey, ageKey } from "../e2e/support/keeper.ts";
import { leaksInBytes } from "../e2e/support/leaks.ts";
import { ensureAct } from "../lab/act.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { ActRunner, type ToldStep, type WorkflowRun } from "./act.ts";

// The workflow of a user, as it is in examples/, on this host as its self-hosted runner.

const examples = join(import.meta.dirname, "..", "..", "examples");
let stack: LabStack;
let act: ActRunner;
let key: AgeKey;
let proofKey: string;

beforeAll(async () => {
  await ensureAct();
  [stack, act] = await Promise.all([
    createStack({ tier: "personal", name: "nightly", writers: 10 }),
    ActRunner.start(),
  ]);
  key = await ageKey(stack);
  const text = await readFile(key.identity, "utf8");
  proofKey = /AGE-SECRET-KEY-1\w+/.exec(text)?.[0] ?? "";
});
afterAll(async () => {
  await act?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

async function nightly(
  recipients: string,
  happens: { readonly after?: string; readonly isStorageFull?: boolean } = {},
): Promise<WorkflowRun> {
  const paths = `project-directory: ${stack.directory}\n          repository: ${repository()}`;
  return await act.run(await readFile(join(examples, "nightly.yml"), "utf8"), {
    replace: { "project-directory: /srv/sophon": paths },
    variables: { SOPHON_BACKUP_RECIPIENTS: recipients },
    secrets: { SOPHON_VERIFY_IDENTITY: proofKey },
    ...happens,
  });
}

it("backs up, uploads, and proves that it restores: green, told in full, and tells no secret", async () => {
  const night = await nightly(key.recipient);
  expect(night.log).toContain("Job succeeded");
  expect(night.code).toBe(0);
  const [backup, proof] = mainSteps(night);
  const id = String(backup.outputs["backup-id"]);
  expect(id).toMatch(new RegExp(`^${stack.projectName}-\\d{8}T\\d{6}Z-[0-9a-f]{4}$`));
  expect(night.log).toContain(`| backed-up ${id}, its test restore verified`);

  expectBackupTold(backup, id);
  expectProofTold(proof, id);
  await expectArtifact(id);
  for (const text of [
    night.log,
    ...night.steps.flatMap(({ summary, outputs }) => [summary, JSON.stringify(outputs)]),
  ]) {
    expect(leaksInBytes("told", Buffer.from(text), [...stack.secrets, proofKey])).toEqual([]);
  }
});

it("is red when the backup is found damaged, and says so first", async () => {
  const flip = `
if [ "$INPUT_MODE $(basename "$1")" = "backup main.js" ]; then
  file=$(ls -d ${repository()}/backups/*/data.tar.zst.age | sort | tail -n 1)
  printf '\\x00\\xff\\x00\\xff' | dd of="$file" bs=1 seek=3000 conv=notrunc status=none
fi`;
  const night = await nightly(key.recipient, { after: flip });
  expect(night.code).not.toBe(0);
  expect(night.log).toContain("Job failed");
  const [backup, proof] = mainSteps(night);
  expect(backup.outputs.result).toBe("backed-up");
  expect(proof.outputs).toMatchObject({
    result: "damaged",
    "exit-code": "4",
    "reason-class": "damaged",
  });
  expect(proof.summary).toMatch(/^## ❌ Sophon Keeper: The backup is damaged\b/);
  expect(proof.summary).toMatch(/\| ❌ \| checksum \| data \| .*SHA-256 differs/);
  expect(night.log).toMatch(/::error|\u2757.*damaged/);
  expect(night.log).toContain("its test restore damaged");
});

it("proves the backup also when its upload failed, and is red", async () => {
  const night = await nightly(key.recipient, { isStorageFull: true });
  expect(night.code).not.toBe(0);
  expect(night.log).toContain("Job failed");
  const [backup, proof] = mainSteps(night);
  expect(backup.outputs).toMatchObject({ result: "upload-failed", "exit-code": "3" });
  expect(backup.outputs.reason).toContain("quota");
  expect(proof.outputs).toMatchObject({
    result: "verified",
    "backup-id": backup.outputs["backup-id"],
  });
  expect(night.log).toMatch(/\| upload-failed \S+, its test restore verified/);
});

it("comes back from the artifact alone", async () => {
  const newer = join(stack.dataDir, "newer-than-the-backup");
  const place = `project-directory: ${stack.directory}`;
  const workflow = `
on: workflow_dispatch
jobs:
  there-and-back:
    runs-on: self-hosted
    steps:
      - uses: sophon-keeper/sophon-keeper@v0
        with:
          mode: backup
          ${place}
          repository: ${repository()}
          recipients: ${key.recipient}
          upload: artifact
      - run: touch ${newer}
      - uses: sophon-keeper/sophon-keeper@v0
        with:
          mode: restore
          ${place}
          repository: ${join(stack.scratch, "another-repository")}
          backup: artifact
          identity: \${{ secrets.SOPHON_VERIFY_IDENTITY }}
          soak: 1s
`;
  const secrets = { SOPHON_VERIFY_IDENTITY: proofKey };
  const there = await act.run(workflow, { secrets, event: "workflow_dispatch" });
  expect(there.code, there.log).toBe(0);
  expect(there.steps.map(({ outputs }) => outputs.result).filter(Boolean)).toEqual([
    "backed-up",
    "restored",
  ]);
  expect(await readdir(stack.dataDir)).not.toContain("newer-than-the-backup");
  expect(await readdir(stack.dataDir)).toContain("security");
});

it("refuses to upload without a recipient, before anything is done", async () => {
  const before = await readdir(join(repository(), "backups"));
  const night = await nightly("");
  expect(night.code).not.toBe(0);
  expect(night.log).toContain("upload is artifact, but nothing encrypts the backup");
  expect(night.log).toMatch(/\| refused , its test restore was not made/);
  expect(await readdir(join(repository(), "backups"))).toEqual(before);
});

function repository(): string {
  return join(stack.scratch, "repository");
}

function mainSteps({ steps }: WorkflowRun): [backup: ToldStep, proof: ToldStep] {
  const main = steps.filter(({ entry }) => entry === "main");
  expect(main.map(({ mode }) => mode)).toEqual(["backup", "verify"]);
  return main as [ToldStep, ToldStep];
}

/** Read by a person in the summary of the run: everything that the backup must tell is in it. */
function expectBackupTold({ summary, outputs }: ToldStep, id: string): void {
  const path = join(repository(), "backups", id);
  expect(outputs).toMatchObject({
    ...{ result: "backed-up", "exit-code": "0", "backup-id": id, path },
    ...{ "artifact-name": `${id}.tar`, reason: "", "reason-class": "" },
    ...{
      bytes: expect.stringMatching(/^\d{4,}$/),
      seconds: expect.stringMatching(/^\d+(\.\d+)?$/),
    },
  });
  expect(outputs["artifact-id"]).toMatch(/^\d+$/);
  expect(JSON.parse(String(outputs.json))).toMatchObject({
    result: "backed-up",
    backupId: id,
    path,
  });
  const [first, , facts] = summary.split("\n");
  expect(first).toBe("## ✅ Sophon Keeper: Backup made");
  expect(facts).toMatch(
    new RegExp(`^result backed-up · \\S+ \\S+ · \\d+ kept · backup ${id} · level checksum · took `),
  );
  expect(summary).toContain("| component | store | holds | data | stored | time | speed |");
  const [size, time, speed] = ["[\\d.]+ [KM]?i?B", "[\\d.]+ s", "[\\d.]+ [KM]iB/s"];
  const row = (name: string, holds: string) =>
    new RegExp(
      `^\\| ${name} \\| ${name} \\| ${holds} \\| ${size} \\| ${size} \\| ${time} \\| (${speed})? \\|$`,
      "m",
    );
  expect(summary).toMatch(row("stack", "\\d+ files.*"));
  expect(summary).toMatch(row("data", "\\d+ files, \\d+ directories, .*"));
  expect(summary).toMatch(new RegExp(`^\\| \\*\\*total\\*\\* .* \\*\\*${size}\\*\\* `, "m"));
  expect(summary).toContain("**Retention**: 1 kept, nothing removed");
  expect(summary).toContain(`**Off the host**: artifact \`${id}.tar\`, `);
  expect(summary).toContain(`sophon-keeper restore --backup ${path} --identity KEY`);
  expect(summary).toContain(`cd ${path}\nage -d -i KEY data.tar.zst.age | zstd -d | tar `);
}

function expectProofTold({ summary, outputs }: ToldStep, id: string): void {
  expect(outputs).toMatchObject({ result: "verified", "exit-code": "0", "backup-id": id });
  expect(JSON.parse(String(outputs.json))).toMatchObject({ level: "restore" });
  expect(summary).toMatch(/^## ✅ Sophon Keeper: Backup verified/);
  expect(summary).toMatch(/\| ✅ \| health \| sophon-gateway \| running, healthy, answers 200 \|/);
  expect(summary).toMatch(/\| ✅ \| recovery time \| {2}\| restored and serving after [\d.]+ s \|/);
}

async function expectArtifact(id: string): Promise<void> {
  const unpacked = join(stack.scratch, "artifact");
  await run(["mkdir", unpacked]);
  await run(["tar", "-xf", "-", "-C", unpacked], { input: await act.artifact(`${id}.tar`) });
  const files = await readdir(unpacked);
  expect(files).toContain("manifest.json.age");
  expect(files.filter((name) => !name.endsWith(".age"))).toEqual([]);
  const open = 'age -d -i "$1" data.tar.zst.age | zstd -d | tar -tf -';
  const shell = ["bash", "-o", "pipefail", "-c", open, "bash", key.identity];
  expect(await run(shell, { cwd: unpacked })).toContain("security/vault.key");
  const manifest = await run([
    "age",
    "-d",
    "-i",
    key.identity,
    join(unpacked, "manifest.json.age"),
  ]);
  const kept = join(repository(), "backups", id, "manifest.json");
  expect(manifest).toBe(withoutSealed(await readFile(kept, "utf8")));
  const bytes = await act.artifact(`${id}.tar`);
  expect(leaksInBytes("artifact", bytes, stack.secrets)).toEqual([]);
}
