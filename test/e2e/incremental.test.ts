import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { S3Server } from "../lab/s3-server.ts";
import { createStack } from "../lab/stack.ts";
import { damageFile } from "./support/damage-file.ts";
import { ageKey, keeper, stackFlags } from "./support/keeper.ts";
import { killedSomewhere } from "./support/killed.ts";
import { smallStack } from "./support/small-stack.ts";

it("stores what changed, reads as the whole thing by every command and by hand, and falls back to a full backup", async () => {
  await using stack = await smallStack("incr", { app: 'image: IMAGE, volumes: ["DATA:/data"]' });
  await stack.compose(["up", "--detach"]);
  const { identity, recipient } = await ageKey(stack);
  const backup = async (...more: string[]) => {
    const made = await stack.keeper("backup", "--recipients", recipient, "--incremental", ...more);
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    return made.result as { backupId: string; path: string; bytes: number };
  };
  const verify = async (id: string) => {
    const key = ["--identity", identity, "--level", "contents"];
    return (await stack.keeper("verify", "--backup", id, ...key)).result;
  };
  const list = async () => (await stack.keeper("list")).result.backups;
  const extracted = async (id: string) => {
    const target = join(stack.scratch, `restored-${id}`);
    const args = ["--backup", id, "--target", target, "--identity", identity];
    const restored = await stack.keeper("restore", ...args);
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    return target;
  };

  await mkdir(join(stack.data, "many"));
  for (let file = 0; file < 60; file++) {
    await writeFile(join(stack.data, "many", `${file}`), `${file} `.repeat(9000 + file));
  }
  await run(["dd", "if=/dev/urandom", `of=${join(stack.data, "large")}`, "bs=1M", "count=9"]);
  const full = await backup();
  // A night: a page of a large file, a log that grows, new, changed, renamed and removed files.
  await run([
    "bash",
    "-c",
    `printf changed | dd of="$1" bs=1 seek=5000000 conv=notrunc`,
    "bash",
    join(stack.data, "large"),
  ]);
  await appendFile(join(stack.data, "many/3"), "grown");
  const second = await backup();
  await rename(join(stack.data, "many/7"), join(stack.data, "renamed"));
  await rm(join(stack.data, "many/8"));
  await writeFile(join(stack.data, "many/new"), "new");
  const third = await backup();
  // The same size, and the time put back.
  await writeFile(join(stack.data, "many/new"), "wen");
  await utimes(join(stack.data, "many/new"), 1, 1);
  const fourth = await backup();

  expect(second.bytes).toBeLessThan(full.bytes / 20);
  const listed = await list();
  expect(listed.map(({ kind }: { kind: string }) => kind)).toEqual([
    ...[`+${third.backupId}`, `+${full.backupId}`, `+${full.backupId}`, "full"],
  ]);
  expect(listed[0].bytesWithAncestors).toBeGreaterThan(full.bytes + third.bytes);
  for (const { backupId } of [full, second, third, fourth]) {
    expect(await verify(backupId)).toMatchObject({ result: "verified", level: "contents" });
  }
  const live = await run([
    "bash",
    "-c",
    'cd "$1" && tar -c --sort=name . | sha256sum',
    "bash",
    stack.data,
  ]);
  const restored = await extracted(fourth.backupId);
  const sum = 'cd "$1"/volume-* && tar -c --sort=name . | sha256sum';
  expect(await run(["bash", "-c", sum, "bash", restored])).toBe(live);

  // By hand, with the command that the manifest gives.
  const manifest = JSON.parse(await readFile(join(fourth.path, "manifest.json"), "utf8"));
  const [tree] = manifest.components.filter(({ store }: { store: string }) => store === "volume");
  const hand = join(stack.scratch, "by-hand");
  await mkdir(hand);
  const command = (tree.recovery as string)
    .replaceAll("key.txt", identity)
    .replace(`-C '${stack.data}'`, `-C '${hand}'`);
  await run(["bash", "-e", "-o", "pipefail", "-c", command], { cwd: fourth.path });
  expect(
    await run(["bash", "-c", 'cd "$1" && tar -c --sort=name . | sha256sum', "bash", hand]),
  ).toBe(live);

  // What a backup is made from stays, whatever the rule.
  await stack.keeper("prune", "--keep-last", "1");
  expect((await list()).map(({ id }: { id: string }) => id)).toEqual([
    fourth.backupId,
    third.backupId,
    full.backupId,
  ]);

  await damageFile(join(full.path, tree.base.base.file));
  expect(await verify(fourth.backupId)).toMatchObject({ result: "damaged" });
  for (const { problem, level } of await list()) {
    expect(level).toBeNull();
    expect(problem).toContain(full.backupId);
  }
  const fifth = await backup();
  expect((await list())[0]).toMatchObject({ id: fifth.backupId, kind: "full", problem: null });
});

it("every store of an enterprise stack is restored from what changed", exhaustive, async () => {
  await using stack = await createStack({ tier: "enterprise", name: "incremental" });
  const at = stackFlags(stack, join(stack.scratch, "repository"));
  const { identity, recipient } = await ageKey(stack);
  for (const kind of ["full", "delta"]) {
    const made = await keeper(["backup", ...at, "--recipients", recipient, "--incremental"]);
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const text = await readFile(join(made.result.path, "manifest.json"), "utf8");
    const { components } = JSON.parse(text);
    const deltas = components.filter(({ base }: { base?: unknown }) => base !== undefined);
    expect(deltas).toHaveLength(kind === "full" ? 0 : components.length);
  }
  const level = ["--level", "restore", "--identity", identity];
  const verified = await keeper(["verify", ...at, ...level]);
  expect(verified.result, verified.stderr).toMatchObject({ result: "verified", level: "restore" });
});

/** Some, so that a cell takes minutes; `SOPHON_KEEPER_KILLS=200` shows more. */
const kills = Number(process.env.SOPHON_KEEPER_KILLS ?? 4);

it("is killed at random instants, and the next run works and verifies nothing wrong", {
  ...exhaustive,
  timeout: 300_000 + kills * 60_000,
}, async () => {
  await using stack = await smallStack("incrkill", {
    app: 'image: IMAGE, volumes: ["DATA:/data"]',
  });
  await stack.compose(["up", "--detach"]);
  const { identity, recipient } = await ageKey(stack);
  const flags = ["--project-directory", stack.directory, "--repository", stack.repository];
  const backup = ["backup", ...flags, "--recipients", recipient, "--incremental"];
  // Not changed: no delta is large enough for the next backup to be a full one, and after a minute it is no longer read.
  await run(["dd", "if=/dev/urandom", `of=${join(stack.data, "still")}`, "bs=1M", "count=32"]);
  const began = performance.now();
  const full = await keeper(backup);
  expect(full.result, full.stderr).toMatchObject({ result: "backed-up" });
  const lasts = performance.now() - began;
  for (let kill = 0; kill < kills; kill++) {
    await run(["dd", "if=/dev/urandom", `of=${join(stack.data, "large")}`, "bs=1M", "count=8"]);
    const at = await killedSomewhere(backup, lasts);
    const where = `killed after ${Math.round(at)} of ${Math.round(lasts)} ms`;
    await writeFile(join(stack.data, `after-${kill}`), `${kill}`);
    const next = await keeper(backup);
    expect(next.result, `${where}\n${next.stderr}`).toMatchObject({ result: "backed-up" });
    const { backups } = (await stack.keeper("list")).result;
    for (const { id, problem } of backups) expect(problem, `${where} ${id}`).toBeNull();
    const key = ["--identity", identity, "--level", "contents"];
    const read = await stack.keeper("verify", "--backup", next.result.backupId, ...key);
    expect(read.result, `${where}\n${read.stderr}`).toMatchObject({ result: "verified" });
    const target = join(stack.scratch, `restored-${kill}`);
    const from = ["--backup", next.result.backupId, "--identity", identity];
    const restored = await stack.keeper("restore", "--target", target, ...from);
    expect(restored.result, `${where}\n${restored.stderr}`).toMatchObject({ result: "restored" });
    const sum = 'cd "$1" && tar -c --sort=name . | sha256sum';
    const [volume = ""] = (await readdir(target)).filter((name) => name.startsWith("volume-"));
    expect(await run(["bash", "-c", sum, "bash", join(target, volume)]), where).toBe(
      await run(["bash", "-c", sum, "bash", stack.data]),
    );
    await rm(target, { recursive: true });
  }
  // All that were made are good, also those from before the kills.
  const { backups } = (await stack.keeper("list")).result;
  expect(backups.length).toBeGreaterThan(kills);
  for (const { id } of backups) {
    const checked = await stack.keeper("verify", "--backup", id, "--level", "checksum");
    expect(checked.result, checked.stderr).toMatchObject({ result: "verified" });
  }
  const left = await readdir(join(stack.repository, "backups"));
  expect(left.filter((name) => name.startsWith("."))).toEqual([]);
});

it(
  "a chain in a bucket is verified and restored from there, without anything on the host",
  exhaustive,
  async () => {
    await using stack = await smallStack("incrbucket", {
      app: 'image: IMAGE, volumes: ["DATA:/data"]',
    });
    await using server = await S3Server.start();
    await stack.compose(["up", "--detach"]);
    const { identity, recipient } = await ageKey(stack);
    const env = { AWS_ACCESS_KEY_ID: "AKIDTEST", AWS_SECRET_ACCESS_KEY: "of nobody" };
    const place = ["--project-directory", stack.directory, "--repository", stack.repository];
    const reach = ["--upload-endpoint", server.endpoint, "--upload-path-style"];
    const upload = ["--upload", "s3", "--upload-to", "s3://bucket/off"];
    const make = ["backup", ...place, "--recipients", recipient, "--incremental", ...reach];
    await run(["dd", "if=/dev/urandom", `of=${join(stack.data, "large")}`, "bs=1M", "count=4"]);
    // The full one is not sent by its own run: the one that needs it sends it first.
    const full = await keeper(make, { env });
    expect(full.result, full.stderr).toMatchObject({ result: "backed-up" });
    const ids: string[] = [full.result.backupId];
    for (const night of [1, 2, 3]) {
      await appendFile(join(stack.data, "large"), `night ${night}`);
      const made = await keeper([...make, ...upload], { env });
      expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
      ids.push(made.result.backupId);
      const sent = made.result.uploads.map(({ backupId }: { backupId: string }) => backupId);
      expect(sent).toEqual(ids.slice(night === 1 ? 0 : -1));
    }
    const live = await run(["sha256sum", join(stack.data, "large")]);
    await rm(stack.repository, { recursive: true });
    const newest = ids.at(-1);
    const from = ["--backup", `s3://bucket/off/${stack.projectName}/${newest}`, ...reach];
    const key = ["--identity", identity];
    const read = ["verify", ...place, "--level", "contents", ...from, ...key];
    const verified = await keeper(read, { env });
    expect(verified.result, verified.stderr).toMatchObject({
      result: "verified",
      backupId: newest,
    });
    const target = join(stack.scratch, "restored");
    // The host's key is gone with its repository.
    const extract = ["restore", ...place, ...from, ...key, "--target", target, "--allow-unsigned"];
    const restored = await keeper(extract, { env });
    expect(restored.result, restored.stderr).toMatchObject({ result: "restored" });
    const [volume = ""] = (await readdir(target)).filter((name) => name.startsWith("volume-"));
    const sum = (text: string) => text.split(" ")[0];
    expect(sum(await run(["sha256sum", join(target, volume, "large")]))).toBe(sum(live));

    const [damaged = ""] = [...server.objects.keys()].filter(
      (name) => name.includes(`${ids[0]}/volume-`) && name.endsWith(".age"),
    );
    server.flip(damaged);
    const again = await keeper(read, { env });
    expect(again.result, again.stderr).toMatchObject({ result: "damaged" });
  },
);
