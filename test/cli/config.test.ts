import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { keeper } from "./keeper.ts";
import { sealedRepository } from "./sealed-repository.ts";

it("runs every stack of the file, one object each, and ends with the worst", async () => {
  await using place = await temporaryDirectory("sophon-keeper-config-");
  await using good = await sealedRepository();
  await using empty = await sealedRepository();
  const id = await good.add("2026-11-01");
  const config = join(place.path, "any.yaml");
  const stacks = [
    `  one: { repository: ${good.repository.path} }`,
    `  two: { repository: ${empty.repository.path}, level: contents }`,
  ];
  await writeFile(config, `level: checksum\nstacks:\n${stacks.join("\n")}\n`, { mode: 0o600 });
  const of = (...args: string[]) => keeper(["verify", "--config", config, "--json", ...args]);
  const all = await of("--stack", "all");
  const told = all.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(told.map(({ stack, result }) => [stack, result])).toEqual([
    ["one", "verified"],
    ["two", "refused"],
  ]);
  expect(all.code).toBe(2);
  const one = JSON.parse((await of("--stack", "one")).stdout);
  expect(one).toMatchObject({ stack: "one", result: "verified", backupId: id, level: "checksum" });
  const none = await of();
  expect(none.code).toBe(2);
  expect(JSON.parse(none.stdout).reason.message).toContain("write one, two or all");
});

it("prefers flag, environment, file, default in this order, and shows no secret", async () => {
  await using place = await temporaryDirectory("sophon-keeper-config-");
  const config = join(place.path, "sophon-keeper.yaml");
  await writeFile(
    config,
    "repository: /from/file\npassphrase-file: pass\nkeep-last: 3\nkeep-daily: x\n",
  );
  await chmod(config, 0o600);
  await writeFile(join(place.path, "pass"), "correct horse\n");
  const print = (args: readonly string[], env: Record<string, string> = {}) =>
    keeper(["prune", "--print-config", "--json", ...args], { env });
  const bad = await print(["--project-directory", place.path]);
  expect(bad.code).toBe(2);
  expect(JSON.parse(bad.stdout).reason.message).toContain(`${config}: keep-daily is "x"`);
  const env = { SOPHON_KEEPER_CONFIG: config };
  const { plan } = JSON.parse((await print(["--keep-daily", "7"], env)).stdout);
  expect(plan).toMatchObject({
    repository: `/from/file (${config})`,
    "keep-last": `3 (${config})`,
    "keep-daily": "7 (given)",
    "retain-level": "checksum (default)",
  });
  const shown = await keeper(["backup", "--print-config", "--keep-daily", "1"], {
    env: { ...env, SOPHON_KEEPER_PASSPHRASE: "battery staple" },
  });
  expect(shown.stdout).toContain("passphrase: *** (given)");
  expect(shown.stdout).not.toContain("battery");
});

it("refuses a file that is not there, or that others can change", async () => {
  await using place = await temporaryDirectory("sophon-keeper-config-");
  const config = join(place.path, "c.yaml");
  const list = () => keeper(["list", "--config", config]);
  const missing = await list();
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("is no file")]);
  await writeFile(config, "");
  await chmod(config, 0o666);
  const open = await list();
  expect([open.code, open.stderr]).toEqual([2, expect.stringContaining("other users")]);
});
