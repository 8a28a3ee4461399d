import {
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import { run } from "../lab/run.ts";
import { createStack, type LabStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { type AgeKey, ageKey, keeper, listed, stackFlags, startKeeper } from "./support/keeper.ts";
import { atHand, component, pour } from "./support/opened.ts";
import { remainsOf } from "./support/remains.ts";
import { smallDisk } from "./support/small-disk.ts";
import { stateOf } from "./support/state.ts";

const mebibyte = 1024 * 1024;

let stack: LabStack;
let key: AgeKey;
let repository: string;

beforeAll(async () => {
  await ensureDockerUser();
  const fillBytes = 48 * mebibyte;
  stack = await createStack({ tier: "personal", name: "faults", owner: dockerUser, fillBytes });
  key = await ageKey(stack);
  repository = join(stack.scratch, "repository");
});
afterAll(async () => {
  await stack.down();
});

describe("refused with exit 2 and the input's name, before anything is done:", () => {
  const misspelt: [flags: string[], message: RegExp][] = [
    [["--project-name", "sk-no-such-project"], /sk-no-such-project/],
    [["--project-directory", "/no/such/directory"], /project-directory|\/no\/such\/directory/],
    [["--compose-files", "no-such.yml"], /compose-files|no-such\.yml/],
    [["--data-dir", "/no/such/data"], /data-dir/],
    [["--postgres-service", "postgrse"], /postgres-service/],
    [["--exclude", "no-such-volume"], /exclude/],
    [["--profiles", "no-such-profile", "--rabbitmq-service", "rabitmq"], /rabbitmq-service/],
  ];
  test.each(misspelt)("%j", async (flags, message) => {
    const named = flags.includes("--project-name") ? [] : ["--project-name", stack.projectName];
    const at = ["--repository", join(stack.scratch, "never-made")];
    const refused = await keeper(["backup", ...named, ...at, ...flags]);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.result).toBe("refused");
    expect(refused.result.reason.message).toMatch(message);
    expect(refused.result.reason.message).not.toContain("\n");
    expect(await listed(stack, join(stack.scratch, "never-made"))).toEqual([]);
    expect(await remainsOf(stack, repository)).toEqual([]);
  });

  test("a repository inside of what is backed up", async () => {
    const inside = join(stack.dataDir, "backups");
    const refused = await keeper(["backup", ...stackFlags(stack, inside)]);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason.message).toMatch(/^repository: .* lies inside/);
  });

  test("too little disk", async () => {
    await using disk = await smallDisk(join(stack.scratch, "tiny"), 12 * mebibyte);
    const refused = await backup(disk.path);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason).toMatchObject({ class: "no-space" });
    expect(refused.result.reason.message).toMatch(/^repository: .* has .* free and a backup needs/);
    expect(await listed(stack, disk.path)).toEqual([]);
    expect(await remainsOf(stack, disk.path)).toEqual([]);
  });

  test("a dry run does nothing at all", async () => {
    const before = await stateOf(stack);
    const unmade = join(stack.scratch, "unmade");
    const planned = await keeper(["backup", ...stackFlags(stack, unmade), "--dry-run"]);
    expect(planned.code, planned.stderr).toBe(0);
    expect(planned.result).toMatchObject({ result: "planned" });
    expect(planned.result.plan.stores).toMatchObject([{ kind: "data", source: stack.dataDir }]);
    expect(await readdir(stack.scratch)).not.toContain("unmade");
    expect(await remainsOf(stack, unmade)).toEqual([]);
    expect(await stateOf(stack)).toEqual(before);
  });
});

describe("no backup is recorded, nothing is left, and the stack is as before, when", () => {
  test("vault.key is missing: what losing it means is said", async () => {
    const path = join(stack.dataDir, "security", "vault.key");
    await rename(path, `${path}.away`);
    const failed = await backup(repository);
    await rename(`${path}.away`, path);
    expect(failed.code, failed.stderr).toBe(3);
    expect(failed.result.reason.message).toMatch(/vault\.key/);
    const told = JSON.stringify(failed.result.reason);
    expect(told).toMatch(/credential/i);
    expect(await remainsOf(stack, repository)).toEqual([]);
    expect(await listed(stack, repository)).toEqual([]);
  });

  test("the disk fills up half way", async () => {
    const before = await stateOf(stack);
    // More than what the check in advance expects, less than what is written.
    await using disk = await smallDisk(join(stack.scratch, "small"), 34 * mebibyte);
    await mkdir(join(disk.path, "repository"));
    const free = await disk.freeBytes();
    const failed = await backup(join(disk.path, "repository"));
    expect(failed.code, failed.stderr).toBe(3);
    expect(failed.result).toMatchObject({
      result: "backup-failed",
      reason: { class: "disk-full" },
    });
    expect(failed.result.reason.message).toMatch(/^data: the disk is full/);
    expect(await remainsOf(stack, join(disk.path, "repository"))).toEqual([]);
    expect(await listed(stack, join(disk.path, "repository"))).toEqual([]);
    expect(await disk.freeBytes()).toBeGreaterThan(free - mebibyte);
    expect(await stateOf(stack)).toEqual(before);
  });

  test("the helper that copies the database is killed", async () => {
    const before = await stateOf(stack);
    const own = join(stack.scratch, "repository of the user");
    await mkdir(own);
    await run(["chown", dockerUser, own]);
    const flags = [...stackFlags(stack, own), "--recipients", key.recipient];
    const running = startKeeper(["backup", ...flags], { as: "docker user" });
    await running.says(/Copy data/);
    const helper = await until("the helper runs", 120_000, async () => {
      const format = '{{.Names}} {{.Label "sophon-keeper.operation"}}';
      const all = await run([
        "docker",
        "ps",
        "--filter",
        "label=sophon-keeper.kind=helper",
        "--format",
        format,
      ]);
      return all
        .split("\n")
        .find((line) => line.includes(stack.projectName))
        ?.split(" ")[0];
    });
    await run(["docker", "kill", "--signal", "KILL", helper]);
    const failed = await running.ended;
    expect(failed.code, failed.stderr).toBe(3);
    expect(failed.result.reason.message).toMatch(/^data: /);
    expect(await remainsOf(stack, own)).toEqual([]);
    expect(await listed(stack, own)).toEqual([]);
    expect(await stateOf(stack)).toEqual(before);
  });
});

test("a log that is truncated while it is read is told, and the rest of the backup is whole", async () => {
  const log = join(stack.dataDir, "logs", "huge.log");
  await writeFile(log, Buffer.alloc(16 * mebibyte, "a line of a log\n"));
  for (let times = 0; times < 4; times += 1)
    await run(["sh", "-c", 'cat "$1" "$1" > "$1.new" && mv "$1.new" "$1"', "sh", log]);
  const flags = [...stackFlags(stack, repository), "--recipients", key.recipient];
  const running = startKeeper(["backup", ...flags]);
  await until("tar reads the log", 120_000, () => isReadByTar(log));
  await truncate(log, 100);
  const made = await running.ended;
  expect(made.code, made.stderr).toBe(0);
  const opened = await atHand(made.result.path, key.identity, join(stack.scratch, "opened"));
  const manifest = await readFile(join(made.result.path, "manifest.json"), "utf8");
  const { warnings } = JSON.parse(manifest).components.find(
    ({ name }: { name: string }) => name === "data",
  );
  expect(warnings.join("\n")).toContain("logs/huge.log");
  const names = await pour(opened, component(opened, "data"), "tar -t");
  expect(names).toContain("documents/contract.txt");
  expect(names).toContain("data/sophon.db");
});

test("retention keeps by what is verified: one that is damaged is not counted", async () => {
  await run(["rm", join(stack.dataDir, "logs", "huge.log")]);
  const [first] = await listed(stack, repository);
  const second = (await backup(repository)).result.backupId as string;
  const third = (await backup(repository)).result.backupId as string;
  expect(await listed(stack, repository)).toEqual([third, second, first]);
  await damage(join(repository, "backups", third, "manifest.json"));
  const prune = (...flags: string[]) =>
    keeper(["prune", ...stackFlags(stack, repository), "--keep-last", "1", ...flags]);
  const planned = await prune("--dry-run");
  expect(planned.code, planned.stderr).toBe(0);
  const kept = planned.result.plan.filter(({ keep }: { keep: boolean }) => keep);
  expect(kept.map(({ id }: { id: string }) => id)).toContain(second);
  expect(await listed(stack, repository)).toEqual([third, second, first]);
  const pruned = await prune();
  expect(pruned.code, pruned.stderr).toBe(0);
  expect(pruned.result.removed).toContain(first);
  expect(await listed(stack, repository)).toContain(second);
});

async function backup(at: string) {
  return await keeper(["backup", ...stackFlags(stack, at), "--recipients", key.recipient]);
}

async function damage(path: string): Promise<void> {
  const file = await open(path, "r+");
  await file.write(Buffer.from("#"), 0, 1, 20);
  await file.close();
}

/** Whether a process named tar has the file open. */
async function isReadByTar(path: string): Promise<boolean> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (name.trim() !== "tar") continue;
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      if (target === path) return true;
    }
  }
  return false;
}
