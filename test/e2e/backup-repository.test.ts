import { existsSync, globSync } from "node:fs";
import { open, readdir, readFile, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Check } from "../../src/model/result.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import {
  type AgeKey,
  ageKey,
  keeper,
  listed,
  type RunningKeeper,
  stackFlags,
  startKeeper,
} from "./support/keeper.ts";
import { atHand, component, pour } from "./support/opened.ts";
import { remainsOf } from "./support/remains.ts";
import { stateOf } from "./support/state.ts";

const mebibyte = 1024 * 1024;

let stack: LabStack;
let key: AgeKey;
let repository: string;

beforeAll(async () => {
  stack = await createStack({ tier: "personal", name: "kept" });
  key = await ageKey(stack);
  repository = join(stack.scratch, "repository");
});
afterAll(async () => {
  await stack.down();
});

test("the doctor says what has to be mended, and changes nothing", async () => {
  const before = await stateOf(stack);
  const asked = await keeper(["doctor", ...stackFlags(stack, repository)]);
  expect(asked.code).toBe(4);
  expect(asked.result.reason.message).toContain("there is none: run `sophon-keeper backup`");
  const checks: readonly Check[] = asked.result.checks;
  const of = (name: string) => checks.find((check) => check.name === name)?.status;
  expect(["stack", "containers", "leftovers", "newest backup"].map(of)).toEqual([
    ...["pass", "pass", "pass", "fail"],
  ]);
  expect(existsSync(repository)).toBe(false);
  expect(await stateOf(stack)).toEqual(before);
});

describe("killed while it seals the backup, there is a complete one or none, and the next run tidies up:", () => {
  const partial = () => join(repository, "backups", ".partial-*");
  const complete = () => globSync(join(repository, "backups", "[^.]*")).length;
  const instants: [
    when: string,
    reached: (running: RunningKeeper, had: number) => Promise<unknown>,
  ][] = [
    ["as it begins", (running) => running.says(/Seal the backup/)],
    ["with the sealed manifest begun", () => appears(join(partial(), "manifest.json.age"))],
    ["with the manifest there", () => appears(join(partial(), "manifest.json"))],
    [
      "with its final name",
      (_, had) => until("it is renamed", 240_000, async () => complete() > had),
    ],
  ];
  cells(
    test,
    instants,
    (when) => when === "with the manifest there",
  )("%s", async (_, reached) => {
    const [had, before] = [await listed(stack, repository), await stateOf(stack)];
    const running = startKeeper(flags());
    // A run that is faster than the look at it ends well, and all of this must hold for it, too.
    const instant = reached(running, had.length);
    instant.catch(() => undefined);
    await Promise.race([instant, running.ended]);
    running.kill("SIGKILL");
    await running.ended;
    const has = await listed(stack, repository);
    const made = has.filter((id) => !had.includes(id));
    expect(made.length).toBeLessThanOrEqual(1);
    expect(has).toEqual([...made, ...had]);
    const next = await keeper(["recover", ...stackFlags(stack, repository)]);
    expect(next.code, next.stderr).toBe(0);
    expect(await remainsOf(stack, repository)).toEqual([]);
    expect(await listed(stack, repository)).toEqual(has);
    expect(await stateOf(stack)).toEqual(before);
    for (const id of made) {
      const level = ["--backup", id, "--level", "contents", "--identity", key.identity];
      const proof = await keeper(["verify", ...stackFlags(stack, repository), ...level]);
      expect(proof.code, proof.stderr).toBe(0);
      expect(proof.result).toMatchObject({ result: "verified", level: "contents" });
    }
  });
});

test(
  "a log that is truncated while it is read is told, and the rest of the backup is whole",
  exhaustive,
  async () => {
    const log = join(stack.dataDir, "logs", "huge.log");
    await writeFile(log, Buffer.alloc(16 * mebibyte, "a line of a log\n"));
    for (let times = 0; times < 4; times += 1)
      await run(["sh", "-c", 'cat "$1" "$1" > "$1.new" && mv "$1.new" "$1"', "sh", log]);
    const running = startKeeper(flags());
    await until("tar reads the log", 240_000, () => readerOf(log));
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
  },
);

test("tar is killed half way: no backup, and the line says so", async () => {
  const log = join(stack.dataDir, "logs", "huge.log");
  await run(["sh", "-c", 'yes "a line of a log" | head -c 1G > "$1"', "sh", log]);
  const complete = await listed(stack, repository);
  const before = await stateOf(stack);
  const running = startKeeper(flags());
  const pid = await until("tar is stopped in the middle of the log", 240_000, async () => {
    const found = await readerOf(log);
    if (found === undefined) return undefined;
    process.kill(found, "SIGSTOP");
    if ((await readerOf(log)) === found) return found;
    process.kill(found, "SIGCONT");
    return undefined;
  });
  process.kill(pid, "SIGKILL");
  const failed = await running.ended;
  await rm(log);
  expect(failed.code, failed.stderr).toBe(3);
  expect(failed.result.reason.message).toMatch(/^data: tar was killed by SIGKILL/);
  expect(failed.result.reason.message).not.toContain("\n");
  expect(await remainsOf(stack, repository)).toEqual([]);
  expect(await listed(stack, repository)).toEqual(complete);
  expect(await stateOf(stack)).toEqual(before);
});

test("retention keeps by what is verified: one that is damaged is not counted", async () => {
  const older = await listed(stack, repository);
  const second = (await keeper(flags())).result.backupId as string;
  const third = (await keeper(flags())).result.backupId as string;
  expect(await listed(stack, repository)).toEqual([third, second, ...older]);
  await damage(join(repository, "backups", third, "data.tar.zst.age"));
  const prune = (...flags: string[]) =>
    keeper(["prune", ...stackFlags(stack, repository), "--keep-last", "1", ...flags]);
  const planned = await prune("--dry-run");
  expect(planned.code, planned.stderr).toBe(0);
  const kept = planned.result.plan.filter(({ keep }: { keep: boolean }) => keep);
  expect(kept.map(({ id }: { id: string }) => id)).toContain(second);
  expect(await listed(stack, repository)).toEqual([third, second, ...older]);
  const pruned = await prune();
  expect(pruned.code, pruned.stderr).toBe(0);
  expect(pruned.result.removed).toEqual(older);
  expect(await listed(stack, repository)).toEqual([third, second]);
  const { result } = await keeper(["list", ...stackFlags(stack, repository)]);
  expect(result.backups).toMatchObject([
    {
      id: third,
      level: null,
      problem: expect.stringMatching(/^data: checksum: .*SHA-256 differs/),
    },
    { id: second, level: "checksum", problem: null },
  ]);
});

function flags(): string[] {
  return ["backup", ...stackFlags(stack, repository), "--recipients", key.recipient];
}

async function appears(pattern: string): Promise<void> {
  await until(`${pattern} is there`, 240_000, async () => globSync(pattern).length > 0);
}

async function damage(path: string): Promise<void> {
  const file = await open(path, "r+");
  const at = Math.floor((await file.stat()).size / 2);
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
  await file.close();
}

/** The pid of a process named tar that has the file open. */
async function readerOf(path: string): Promise<number | undefined> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (name.trim() !== "tar") continue;
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      if (target === path) return Number(pid);
    }
  }
  return undefined;
}
