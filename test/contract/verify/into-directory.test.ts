import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { restore } from "../../../src/commands/restore.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { DamagedError, RefusedError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import type { Result } from "../../../src/model/result.ts";
import type { HostDependencies } from "../../../src/operations/session/dependencies.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { makeBackup } from "./backup.ts";
import { copyOf, fitManifest } from "./damage.ts";

const id = "sophon-20260102T030405Z-00aa";
const temporary = await temporaryDirectory("sophon-keeper-into-");
const root = temporary.path;
let whole = "";

beforeAll(async () => {
  ({ directory: whole } = await makeBackup(root, { id }));
  mkdirSync(join(root, "out"));
});
afterAll(() => temporary[Symbol.asyncDispose]());

/** Restores into a directory as root does on a host without an engine. */
async function restoreInto(backup: string, target: string): Promise<Result> {
  const none = async (): Promise<never> => {
    throw new RefusedError("there is no engine");
  };
  const options = parseOptions("restore", { backup, target, "allow-unsigned": "true" } as never, {
    workingDirectory: "/",
    home: undefined,
  });
  const host = { project: none, readStack: none, workbench: none, engine: none };
  return await restore(options, {
    ...{ reporter: silentReporter, clock: systemClock, version: "0.0.0", destinations: {} },
    ...{ signal: new AbortController().signal, readInput: async () => new Uint8Array() },
    ...{ host, recoveries: {} },
  } as unknown as HostDependencies);
}

type Change = (component: Component) => Component;
/** A backup whose manifest says something else of its components than their bytes do. */
async function forged(change: Change): Promise<string> {
  const directory = await copyOf(whole, join(root, "forged", id));
  await fitManifest(directory, (manifest) => ({
    ...manifest,
    components: manifest.components.map(change),
  }));
  return directory;
}

describe("restore into a directory", () => {
  it("compares counts, names, key and databases in passing", async () => {
    const { result, checks = [] } = await restoreInto(whole, join(root, "out/good"));
    expect(result).toBe("restored");
    expect(checks.filter(({ status }) => status !== "pass")).toEqual([]);
    const names = checks.map(({ name, component }) => `${component} ${name}`);
    expect(names).toContain("data vault.key");
    expect(names).toContain("data sqlite data/sophon.db");
    expect(names).toContain("volume-uploads counts");
  });

  it.each<[string, Change]>([
    ["counts", (one) => ({ ...one, counts: { ...one.counts, files: 77 } })],
    ["names", (one) => ({ ...one, details: { ...one.details, namesSha256: "00" } })],
    ["the key", (one) => ({ ...one, details: { ...one.details, vaultKey: "security/other.key" } })],
    ["rows", (one) => ({ ...one, counts: { ...one.counts, "table data/sophon.db users": 1 } })],
    ["more bytes than recorded", (one) => ({ ...one, plainBytes: 2048 })],
    ["fewer bytes than recorded", (one) => ({ ...one, plainBytes: one.plainBytes + 512 })],
  ])("leaves nothing behind when the backup is not as recorded: %s", async (_what, change) => {
    const before = readdirSync(join(root, "out"));
    const told = restoreInto(await forged(change), join(root, "out/bad"));
    await expect(told).rejects.toThrow(DamagedError);
    expect(readdirSync(join(root, "out"))).toEqual(before);
  });

  it("counts the last member of a name, as whoever unpacks it gets that", async () => {
    const directory = await copyOf(whole, join(root, "twice", id));
    const file = readdirSync(directory).find((name) => name.startsWith("data")) ?? "";
    const work = join(root, "work-twice");
    mkdirSync(join(work, "security"), { recursive: true });
    execFileSync("ln", ["-s", "/etc/hostname", join(work, "security/vault.key")]);
    const tar = join(root, "twice.tar");
    writeFileSync(tar, execFileSync("zstd", ["-dc", join(directory, file)], { maxBuffer: 1e9 }));
    execFileSync("tar", ["-rf", tar, "-C", work, "./security/vault.key"]);
    execFileSync("zstd", ["-q", "-f", tar, "-o", join(directory, file)]);
    const plainBytes = Number(execFileSync("stat", ["-c", "%s", tar]));
    await fitManifest(directory, (manifest) => ({
      ...manifest,
      components: manifest.components.map((one) =>
        one.file === file ? { ...one, plainBytes } : one,
      ),
    }));
    const target = join(root, "out/twice");
    await expect(restoreInto(directory, target)).rejects.toThrow(/names differs|key is not in/);
    expect(readdirSync(join(root, "out"))).not.toContain("twice");
  });
});
