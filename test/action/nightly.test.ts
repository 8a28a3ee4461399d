import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ensureAct } from "../lab/act.ts";
import { createStack, type LabStack } from "../lab/stack.ts";
import { ActRunner } from "./act.ts";

// The workflow of a user, as it is in examples/, on this host as its self-hosted runner.

const examples = join(import.meta.dirname, "..", "..", "examples");
let stack: LabStack;
let act: ActRunner;
let key: { readonly file: string; readonly recipient: string };

beforeAll(async () => {
  await ensureAct();
  [stack, act] = await Promise.all([
    createStack({ tier: "pro", name: "nightly", writers: true }),
    ActRunner.start(),
  ]);
  const identity = execFileSync("age-keygen", {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const file = join(stack.scratch, "backup.key");
  await writeFile(file, identity);
  key = { file, recipient: /age1\w+/.exec(identity)?.[0] ?? "" };
});
afterAll(async () => {
  await act?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

async function nightly(recipients: string) {
  const paths = `project-directory: ${stack.directory}\n          repository: ${stack.scratch}/repository`;
  return await act.run(await readFile(join(examples, "nightly.yml"), "utf8"), {
    replace: { "project-directory: /srv/sophon": paths },
    variables: { SOPHON_BACKUP_RECIPIENTS: recipients },
  });
}

it("makes a backup, puts it into an artifact that the real tools open, and tells no secret", async () => {
  const run = await nightly(key.recipient);
  expect(run.log).toContain("Job succeeded");
  expect(run.code).toBe(0);
  const [, id = ""] = /\| backed-up (\S+)/.exec(run.log) ?? [];
  expect(id).toMatch(new RegExp(`^${stack.projectName}-\\d{8}T\\d{6}Z-[0-9a-f]{4}$`));

  const artifact = await act.artifact(`${id}.tar`);
  const unpacked = join(stack.scratch, "artifact");
  execFileSync("mkdir", [unpacked]);
  execFileSync("tar", ["-xf", "-", "-C", unpacked], { input: artifact });
  const files = execFileSync("ls", ["-A", unpacked], { encoding: "utf8" }).trim().split("\n");
  expect(files).toContain("manifest.json.age");
  expect(files.filter((name) => !name.endsWith(".age"))).toEqual([]);

  const open = `age -d -i "$1" data.tar.zst.age | zstd -d | tar -tf -`;
  const listed = execFileSync("bash", ["-o", "pipefail", "-c", open, "-", key.file], {
    cwd: unpacked,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  expect(listed).toContain("security/vault.key");
  const manifest = execFileSync("age", ["-d", "-i", key.file, "manifest.json.age"], {
    cwd: unpacked,
  });
  const kept = join(stack.scratch, "repository", "backups", id, "manifest.json");
  expect(manifest.equals(await readFile(kept))).toBe(true);

  for (const secret of stack.secrets) {
    expect(run.log.includes(secret)).toBe(false);
    expect(artifact.includes(secret)).toBe(false);
  }
});

it("refuses to upload without a recipient, before anything is done", async () => {
  const run = await nightly("");
  expect(run.code).not.toBe(0);
  expect(run.log).toContain("upload is artifact, but nothing encrypts the backup");
  expect(run.log).toMatch(/\| refused/);
});
