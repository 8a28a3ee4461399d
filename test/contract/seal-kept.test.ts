import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { sealPlaces } from "../../src/operations/backup/seal-kept.ts";
import { finish } from "../../src/operations/upgrade/finish.ts";
import { failedIds, forgetFailed } from "../../src/repository/failed-content.ts";
import { Repository } from "../../src/repository/repository.ts";

const id = "demo-20261122T220000Z-1a2b";

/** A repository in which a failed version left a log and some data, and data beside the source. */
async function failedVersion() {
  const base = await temporaryDirectory("sophon-keeper-seal-");
  const repository = new Repository(join(base.path, "repository"));
  await repository.create();
  const put = (path: string, text: string) => {
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    writeFileSync(path, text);
  };
  const failed = repository.failed(id);
  const beside = join(base.path, "data", `.sophon-keeper-failed-${id}`);
  put(join(failed, "container-logs", "app-1.log"), "fail: no such table");
  put(join(failed, "data", "sub", "orders.db"), "orders of an hour");
  put(join(beside, "volume-cache", "cache"), "x".repeat(200_000));
  const places = [
    ...["container-logs", "data", "never-changed"].map((name) => ({
      name,
      path: join(failed, name),
    })),
    { name: "volume-cache", path: join(beside, "volume-cache") },
  ];
  const seal = (recipients: readonly string[], limitBytes = 2 ** 30) =>
    sealPlaces.run(
      {
        ...{ places, owner: repository.path, limitBytes },
        sink: { directory: failed, recipients, passphrase: undefined },
      },
      { reporter: silentReporter, signal: new AbortController().signal },
    );
  return { base, repository, failed, beside, seal };
}

/** The end of an upgrade that was rolled back, where nothing can be archived. */
async function endsWithoutArchive(repository: Repository, beside: string): Promise<string[]> {
  const none = async (): Promise<never> => {
    throw new Error("no space left on device");
  };
  const context = {
    ...{ id, repository, passphrase: undefined, tasks: { run: none }, engine: {} },
    ...{ containers: { inspect: none }, dependencies: { reporter: silentReporter } },
  };
  const copies = [
    { name: "data", source: "/data", aside: join(repository.failed(id), "data") },
    { name: "volume-cache", source: "/cache", aside: join(beside, "volume-cache") },
  ].map((one) => ({ ...one, copy: join(dirname(beside), "copy") }));
  const sealing = { recipients: ["age1"], needsPassphrase: false, limitBytes: 1 };
  const plan = { copies, sealing, containers: [], work: join(repository.path, "upgrades", id) };
  return await finish(context as never, plan as never, "rolled-back");
}

it("what stays in clear text beside the data goes with the backup, too", async () => {
  const { base, repository, failed, beside } = await failedVersion();
  await using _ = base;
  const [line = ""] = await endsWithoutArchive(repository, beside);
  expect(line).toContain("clear text");
  expect(readdirSync(beside)).toEqual(["volume-cache"]);
  // A link that nobody of us made leads nowhere.
  const precious = join(base.path, "data", "precious");
  mkdirSync(precious);
  symlinkSync(precious, join(failed, "beside-0"));
  mkdirSync(repository.directory(id));
  await repository.remove(id);
  expect(readdirSync(join(base.path, "data"))).toEqual(["precious"]);
  expect(existsSync(failed)).toBe(false);
});

it("what lies beside data on a disk that is not mounted goes when it is back", async () => {
  const { base, repository, failed, beside } = await failedVersion();
  await using _ = base;
  await endsWithoutArchive(repository, beside);
  const data = join(base.path, "data");
  renameSync(data, `${data}-away`);
  mkdirSync(repository.directory(id));
  await repository.remove(id);
  expect(readdirSync(failed).map((name) => name.slice(0, 7))).toEqual(["beside-"]);
  renameSync(`${data}-away`, data);
  expect(await failedIds(repository)).toEqual([id]);
  await forgetFailed(repository, [id]);
  expect([readdirSync(data), existsSync(failed)]).toEqual([[], false]);
});

/** What an archive holds at a path, opened as the docs say. */
function openedByHand(archive: string, member: string, key?: string): string {
  const open = key === undefined ? `cat ${archive}` : `age -d -i ${key} ${archive}`;
  return execFileSync("bash", [
    "-c",
    `set -o pipefail; ${open} | zstd -d | tar -xOp ./${member}`,
  ]).toString();
}

it("what a failed version left is encrypted like a backup, opens by hand, and goes with the backup", async () => {
  const { base, repository, failed, beside, seal } = await failedVersion();
  await using _ = base;
  const { recipient, identity } = await newKeyPair();
  const { files, deleted, open } = await seal([recipient]);
  expect(new Set(files)).toEqual(
    new Set(["container-logs.tar.zst.age", "data.tar.zst.age", "volume-cache.tar.zst.age"]),
  );
  expect([deleted, open]).toEqual([[], []]);
  expect(new Set(readdirSync(failed))).toEqual(new Set(files));
  expect(existsSync(beside)).toBe(false);
  for (const file of files) expect(statSync(join(failed, file)).mode & 0o777).toBe(0o600);
  const key = join(base.path, "key.txt");
  writeFileSync(key, `${identity}\n`);
  const data = join(failed, "data.tar.zst.age");
  expect(openedByHand(data, "sub/orders.db", key)).toBe("orders of an hour");
  expect(readFileSync(data).includes("orders of an hour")).toBe(false);
  expect(await seal([recipient])).toEqual({ files: [], deleted: [], open: [] });
  expect(await failedIds(repository)).toEqual([id]);
  mkdirSync(repository.directory(id));
  await repository.remove(id);
  expect(await failedIds(repository)).toEqual([]);
});

it("without recipients it is one archive as an unencrypted backup is, and what is too large is deleted by name", async () => {
  const { base, failed, beside, seal } = await failedVersion();
  await using _ = base;
  const { files, deleted } = await seal([], 100_000);
  expect(new Set(files)).toEqual(new Set(["container-logs.tar.zst", "data.tar.zst"]));
  expect(deleted).toMatchObject([{ name: "volume-cache" }]);
  expect(existsSync(beside)).toBe(false);
  expect(openedByHand(join(failed, "data.tar.zst"), "sub/orders.db")).toBe("orders of an hour");
});

it("an interruption leaves nothing half, and the next run finishes", async () => {
  const { base, failed, seal } = await failedVersion();
  await using _ = base;
  const { recipient } = await newKeyPair();
  // As after a kill: half an archive, and a whole one whose directory was not deleted yet.
  mkdirSync(join(failed, ".sealing-data"));
  writeFileSync(join(failed, ".sealing-data", "data.tar.zst.age"), "half");
  writeFileSync(join(failed, "container-logs.tar.zst.age"), "of the run before");
  await seal([recipient]);
  expect(new Set(readdirSync(failed))).toEqual(
    new Set(["container-logs.tar.zst.age", "data.tar.zst.age", "volume-cache.tar.zst.age"]),
  );
  expect(readFileSync(join(failed, "container-logs.tar.zst.age"), "latin1")).toMatch(/^age-enc/);
});

it("what cannot be archived stays as it is, and is named", async () => {
  const { base, failed, seal } = await failedVersion();
  await using _ = base;
  const { files, open } = await seal(["age1nobody"]);
  expect(files).toEqual([]);
  expect(open.map(({ path }) => path)).toContain(join(failed, "data"));
  expect(readFileSync(join(failed, "data", "sub", "orders.db"), "utf8")).toBe("orders of an hour");
});
