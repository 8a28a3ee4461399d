import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { restore } from "../../../src/commands/restore.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { RefusedError } from "../../../src/core/errors.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { HostDependencies } from "../../../src/operations/session/dependencies.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { keyPair, makeBackup, seal } from "./backup.ts";
import { copyOf, fitManifest } from "./damage.ts";

const id = "sophon-20260102T030405Z-00aa";
const temporary = await temporaryDirectory("sophon-keeper-paths-");
const root = temporary.path;
const key = await keyPair();
const bigBytes = 40 * 2 ** 20;
let whole = "";
let turn = 0;

/** What a file system can say of a file. */
function describeFile(path: string): string {
  const stat = execFileSync("stat", ["--format=%F %a %u %g %y %s", path]).toString();
  const attributes = execFileSync("getfattr", ["--dump", "--absolute-names", "-m", "-", path]);
  return stat + attributes.toString().split("\n").slice(1).join("\n");
}

const uploads = () => join(root, "work", id, "uploads");

beforeAll(async () => {
  const fill = (at: string) => {
    mkdirSync(join(at, "deep/er"), { recursive: true });
    writeFileSync(join(at, "a-big"), randomBytes(bigBytes));
    writeFileSync(join(at, "deep/er/one.json"), '{"one": 1}', { mode: 0o640 });
    execFileSync("setfattr", ["-n", "user.colour", "-v", "blue", join(at, "deep/er/one.json")]);
    execFileSync("chown", ["1234:2345", join(at, "deep"), join(at, "deep/er/one.json")]);
    execFileSync("touch", ["-d", "2001-02-03T04:05:06.123456789Z", join(at, "deep/er/one.json")]);
    linkSync(join(at, "file-0"), join(at, "z-hard"));
    symlinkSync("deep/er/one.json", join(at, "z-soft"));
    writeFileSync(join(at, "z-holes"), "begin");
    truncateSync(join(at, "z-holes"), 8 * 2 ** 20);
    execFileSync("touch", ["-d", "2002-02-03T04:05:06.5Z", join(at, "deep")]);
  };
  ({ directory: whole } = await makeBackup(root, { id, recipient: key.recipient, fill }));
});
afterAll(() => temporary[Symbol.asyncDispose]());

async function restorePaths(path: string, raw: RawInputs = {}) {
  const none = async (): Promise<never> => {
    throw new RefusedError("there is no engine");
  };
  const target = join(root, `out-${turn++}`);
  const given = { backup: whole, target, identity: key.identity, "allow-unsigned": "true", path };
  const options = parseOptions(
    "restore",
    { ...given, ...raw },
    {
      workingDirectory: "/",
      home: undefined,
    },
  );
  const host = { project: none, readStack: none, workbench: none, engine: none };
  const result = await restore(options, {
    ...{ reporter: silentReporter, clock: systemClock, version: "0.0.0", destinations: {} },
    ...{ signal: new AbortController().signal, readInput: async () => new Uint8Array() },
    ...{ host, recoveries: {} },
  } as unknown as HostDependencies);
  return { result, target: options.target };
}

describe("single files out of a backup", () => {
  it("come with owner, mode, times and attributes, and so do the directories above them", async () => {
    const { result, target } = await restorePaths("volume-uploads/deep/er/one.json");
    expect(result).toMatchObject({
      result: "restored",
      entries: ["volume-uploads/deep/er/one.json"],
    });
    for (const path of ["deep/er/one.json", "deep/er", "deep"]) {
      expect(describeFile(join(target, "volume-uploads", path))).toBe(
        describeFile(join(uploads(), path)),
      );
    }
    expect(readdirSync(target, { recursive: true }).length).toBe(4);
  });

  it("need no component before the path, and a pattern or a directory brings all in it", async () => {
    const { target } = await restorePaths("deep\nsecurity/vault.key\n**/file-[01]");
    const found = readdirSync(target, { recursive: true, encoding: "utf8" });
    expect(new Set(found)).toEqual(
      new Set([
        ...["data", "data/security", "data/security/vault.key"],
        ...["volume-uploads", "volume-uploads/deep", "volume-uploads/deep/er"],
        ...["volume-uploads/deep/er/one.json", "volume-uploads/file-0", "volume-uploads/file-1"],
      ]),
    );
  });

  it("are whole: a hard link without its other name, a symbolic link, a file with holes", async () => {
    const { target } = await restorePaths("volume-uploads/z-*");
    const at = join(target, "volume-uploads");
    expect(readdirSync(at).toSorted()).toEqual(["z-hard", "z-holes", "z-soft"]);
    for (const [name, original] of [
      ["z-hard", "file-0"],
      ["z-holes", "z-holes"],
    ] as const) {
      const same = readFileSync(join(at, name)).equals(readFileSync(join(uploads(), original)));
      expect(same, name).toBe(true);
    }
    expect(statSync(join(at, "z-holes")).blocks).toBeLessThan(1024);
  });

  it("go where other files are, and never over one", async () => {
    const { target } = await restorePaths("volume-uploads/deep");
    const mine = join(target, "volume-uploads/mine");
    writeFileSync(mine, "mine");
    await restorePaths("volume-uploads/file-1", { target });
    expect(readFileSync(mine, "utf8")).toBe("mine");
    expect(existsSync(join(target, "volume-uploads/file-1"))).toBe(true);
    writeFileSync(join(target, "volume-uploads/deep/er/one.json"), "changed");
    const again = restorePaths("volume-uploads/file-2\nvolume-uploads/deep", { target });
    await expect(again).rejects.toThrow("deep/er/one.json exists");
    expect(readFileSync(join(target, "volume-uploads/deep/er/one.json"), "utf8")).toBe("changed");
    expect(existsSync(join(target, "volume-uploads/file-2"))).toBe(false);
    expect(readdirSync(root).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("go onto a disk that is mounted there, and so does a whole backup", async () => {
    const disk = join(root, "disk");
    mkdirSync(disk);
    symlinkSync("disk", join(root, "link-to-disk"));
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", disk]);
    try {
      // As on a new one of ext4.
      mkdirSync(join(disk, "lost+found"));
      // Nothing may be made beside it, on the disk of somebody else.
      const around = readdirSync(root).toSorted();
      await restorePaths("", { target: join(root, "link-to-disk") });
      expect(readdirSync(disk)).toEqual(expect.arrayContaining(["data", "volume-uploads"]));
      const one = join(disk, "volume-uploads/deep/er/one.json");
      expect(describeFile(one)).toBe(describeFile(join(uploads(), "deep/er/one.json")));
      for (const name of readdirSync(disk)) rmSync(join(disk, name), { recursive: true });
      writeFileSync(join(disk, "mine"), "mine");
      await restorePaths("volume-uploads/deep", { target: disk });
      expect(describeFile(one)).toBe(describeFile(join(uploads(), "deep/er/one.json")));
      await expect(restorePaths("volume-uploads/deep", { target: disk })).rejects.toThrow("exists");
      expect(readdirSync(disk).toSorted()).toEqual(["mine", "volume-uploads"]);
      expect(readdirSync(root).toSorted()).toEqual(around);
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  it("are refused where a disk is mounted inside of the target", async () => {
    const target = join(root, "with-a-disk");
    const disk = join(target, "volume-uploads");
    mkdirSync(disk, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", disk]);
    try {
      const refused = restorePaths("volume-uploads/deep\nsecurity/vault.key", { target });
      await expect(refused).rejects.toMatchObject({ result: "refused" });
      expect(readdirSync(target, { recursive: true })).toEqual(["volume-uploads"]);
      expect(readdirSync(root).filter((name) => name.includes("partial"))).toEqual([]);
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  it("are read without the rest of the archive", async () => {
    const before = readBytes();
    await restorePaths("volume-uploads/deep/er/one.json");
    // Two frames of 4 MiB at most, a header, an index, the manifests.
    expect(readBytes() - before).toBeLessThan(bigBytes / 3);
  });

  it("are found in a backup without an index, which is read whole", async () => {
    const old = await copyOf(whole, join(root, "old", id));
    await reseal(old, (details) => {
      const { index: _, ...others } = details;
      return others;
    });
    const { result, target } = await restorePaths("deep/er/one.json\nz-hard", { backup: old });
    expect(result.checks?.map(({ name }) => name)).toContain("checksum");
    const at = join(target, "volume-uploads");
    expect(describeFile(join(at, "deep/er/one.json"))).toBe(
      describeFile(join(uploads(), "deep/er/one.json")),
    );
    expect(readdirSync(at).toSorted()).toEqual(["deep", "z-hard"]);
  });

  it("are not restored from an archive that is not the recorded one", async () => {
    const others = join(root, "others");
    const other = await makeBackup(others, { id, recipient: key.recipient });
    const forged = await copyOf(whole, join(root, "forged", id));
    const name = "volume-uploads.tar.zst.age";
    // Anybody who knows the recipient can seal an archive with an index of its own.
    writeFileSync(join(forged, name), readFileSync(join(other.directory, name)));
    await expect(restorePaths("volume-uploads/file-1", { backup: forged })).rejects.toMatchObject({
      result: "damaged",
    });
    const flipped = await copyOf(whole, join(root, "flipped", id));
    const bytes = readFileSync(join(flipped, name));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(join(flipped, name), bytes);
    await expect(restorePaths("volume-uploads/a-big", { backup: flipped })).rejects.toMatchObject({
      result: "damaged",
    });
    const { result } = await restorePaths("volume-uploads/z-soft", { backup: flipped });
    expect(result.result).toBe("restored");
  });

  it("are refused where nothing is called so", async () => {
    await expect(restorePaths("nothing/here\nfile-1")).rejects.toThrow(
      `path: nothing in ${id} is called nothing/here`,
    );
  });
});

/** Bytes that this process has read from files. */
function readBytes(): number {
  return Number(/^rchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

type Details = Readonly<Record<string, unknown>>;

async function reseal(directory: string, change: (details: Details) => Details): Promise<void> {
  await fitManifest(directory, (manifest) => {
    const components = manifest.components.map((one) => ({
      ...one,
      details: change(one.details) as typeof one.details,
    }));
    return { ...manifest, components };
  });
  const text = readFileSync(join(directory, "manifest.json"), "utf8");
  rmSync(join(directory, "manifest.json.age"));
  await seal(directory, JSON.parse(text), key.recipient);
}
