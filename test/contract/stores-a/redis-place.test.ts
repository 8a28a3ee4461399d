import { chown, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import { placeRdb } from "../../../src/stores/redis/place-rdb.ts";

it("an RDB below the volume's root: every directory that is made belongs to the server, which must write there", async () => {
  await using directory = await temporaryDirectory("sk-redis-");
  const [backup, volume] = [join(directory.path, "backup"), join(directory.path, "volume")];
  await Promise.all([mkdir(backup), mkdir(volume)]);
  await chown(volume, 999, 998);
  await writeFile(join(backup, "redis.rdb"), "REDIS");
  const component = {
    ...{ name: "redis", file: "redis.rdb", compression: "none", encryption: "none" },
    details: {
      ...{ mountTarget: "/data", directory: "/data/a/b", appendOnly: true },
      ...{ appendFileName: "appendonly.aof", appendDirectory: "aof", dbFileName: "dump.rdb" },
    },
  } as unknown as Component;
  const source = { directory: backup, identities: [], passphrase: undefined };
  const context = { reporter: silentReporter, signal: new AbortController().signal };
  await placeRdb.run({ source, component, directory: volume }, context);
  const home = join(volume, "a", "b", "aof");
  expect(await readFile(join(home, "appendonly.aof.1.base.rdb"), "utf8")).toBe("REDIS");
  const made = (await readdir(volume, { recursive: true })).toSorted((a, b) => (a < b ? -1 : 1));
  expect(made).toHaveLength(5);
  for (const name of made) {
    const { uid, gid } = await stat(join(volume, name));
    expect([name, uid, gid]).toEqual([name, 999, 998]);
  }
});

it.each([
  { appendDirectory: ".." },
  { appendDirectory: "../../etc" },
  { dbFileName: "/etc/passwd" },
  { appendFileName: "../x" },
  { directory: "/elsewhere" },
])("a manifest with %j leads out of the volume, and nothing is removed", async (forged) => {
  await using directory = await temporaryDirectory("sk-redis-");
  const [outside, volume] = [join(directory.path, "etc"), join(directory.path, "volume")];
  await Promise.all([mkdir(outside), mkdir(volume)]);
  const details = {
    ...{ mountTarget: "/data", directory: "/data", appendOnly: true },
    ...{ appendFileName: "appendonly.aof", appendDirectory: "aof", dbFileName: "dump.rdb" },
    ...forged,
  };
  const component = { name: "redis", file: "redis.rdb", details } as unknown as Component;
  const source = { directory: outside, identities: [], passphrase: undefined };
  const context = { reporter: silentReporter, signal: new AbortController().signal };
  const placed = placeRdb.run({ source, component, directory: volume }, context);
  await expect(placed).rejects.toThrow("leads out of the volume");
  expect((await readdir(directory.path)).toSorted()).toEqual(["etc", "volume"]);
});
