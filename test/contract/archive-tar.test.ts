import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { packTar, unpackTar } from "../../src/archive/tar/pack-tar.ts";
import { TarScanner } from "../../src/archive/tar/scanner.ts";
import { writeArchive } from "../../src/archive/write-archive.ts";
import { DamagedError } from "../../src/core/errors.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { describeTree, makeOddTree } from "./archive-tree.ts";

describe("a directory packed and unpacked", () => {
  it("is the same, entry by entry", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source, into } = places(directory.path);
    makeOddTree(source);
    const before = describeTree(source);
    const { identity, file } = await pack({ directory: source }, directory.path);
    await unpackTar({ file, compressed: true, decrypt: { identities: [identity] }, into });
    expect(describeTree(into)).toEqual(before);
    expect(Object.keys(before).length).toBeGreaterThan(25);
  });

  it("is the same by hand, with age, zstd and tar", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source, into } = places(directory.path);
    makeOddTree(source);
    const { identity, file } = await pack({ directory: source }, directory.path);
    const key = join(directory.path, "key.txt");
    writeFileSync(key, `${identity}\n`);
    const byHand = `age -d -i ${key} ${file} | zstd -d | tar --numeric-owner --xattrs --xattrs-include='*' -xp -C ${into}`;
    execFileSync("bash", ["-o", "pipefail", "-c", byHand]);
    expect(describeTree(into)).toEqual(describeTree(source));
  });

  it.each([undefined, ["", "x"]])(
    "ends where tar stops reading, of %j: whoever pipes it into tar would end of a broken pipe",
    async (list) => {
      await using directory = await temporaryDirectory("sk-archive-");
      const { source } = places(directory.path);
      writeFileSync(join(source, "x"), "x");
      const tar = packTar({ directory: source, ...(list === undefined ? {} : { list }) });
      const scanner = new TarScanner();
      let bytes = 0;
      for await (const block of tar.source) {
        scanner.update(Buffer.from(block));
        bytes += block.length;
        tar.source.pool?.give(block);
      }
      await tar.done;
      expect(bytes).toBe(scanner.endOffset);
    },
  );

  it("may hold a file of 5 GB with holes that is being written", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source, into } = places(directory.path);
    const bytes = 5_000_000_000;
    await using image = await open(join(source, "image"), "w");
    await image.truncate(bytes);
    await image.write("data", 4_900_000_000);
    const request = { directory: source, wanted: [{ name: "image" }] };
    const { identity, file, summary } = await pack(request, directory.path);
    expect(summary).toMatchObject({ files: 1, contentBytes: bytes });
    await unpackTar({ file, compressed: true, decrypt: { identities: [identity] }, into });
    await using restored = await open(join(into, "image"));
    expect((await restored.stat()).size).toBe(bytes);
    const read = await restored.read(Buffer.alloc(4), 0, 4, 4_900_000_000);
    expect(read.buffer.toString()).toBe("data");
  });

  it("counts what tar lists, and hands out wanted members", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source } = places(directory.path);
    makeOddTree(source);
    const wanted = [
      { name: "small", keepBytes: 1000 },
      { name: "holes" },
      { name: "holes-at-ends" },
    ];
    const { identity, file, summary } = await pack({ directory: source, wanted }, directory.path);
    const key = join(directory.path, "key.txt");
    writeFileSync(key, `${identity}\n`);
    const listed = execFileSync("bash", [
      "-c",
      `age -d -i ${key} ${file} | zstd -d | tar --quoting-style=escape -tv`,
    ]);
    const types = listed
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => line[0]);
    const count = (type: string) => types.filter((found) => found === type).length;
    expect(summary).toMatchObject({
      files: count("-"),
      directories: count("d"),
      symlinks: count("l"),
      hardlinks: count("h"),
      specials: count("p") + count("c") + count("b"),
    });
    expect(summary.found.get("small")?.content).toEqual(readFileSync(join(source, "small")));
    for (const name of ["holes", "holes-at-ends"]) {
      const [sha256] = execFileSync("sha256sum", [join(source, name)])
        .toString()
        .split(" ");
      expect(summary.found.get(name)?.sha256, name).toBe(sha256);
    }
  });

  it("holds a replacement at the place of what it replaces, once", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source, into } = places(directory.path);
    const overlay = join(directory.path, "overlay");
    for (const path of ["data/deep", "other/data"])
      mkdirSync(join(source, path), { recursive: true });
    mkdirSync(join(overlay, "token", "data"), { recursive: true });
    for (const name of ["sophon.db", "sophon.db-wal", "sophon.db-shm", "kept.txt", "sophonXdb"]) {
      writeFileSync(join(source, "data", name), "live");
    }
    // Same names elsewhere, and a look-alike of the pattern, must not be left out.
    writeFileSync(join(source, "other/data/sophon.db"), "other");
    writeFileSync(join(source, "data/deep/sophon.db-wal"), "deep");
    writeFileSync(join(overlay, "token/data/sophon.db"), "copy");
    execFileSync("touch", ["-d", "2020-02-02 02:02:02.123456789", join(source, "data")]);

    const names: string[] = [];
    const request: Request = {
      directory: source,
      exclude: ["data/sophon.db", "data/sophon.db-wal", "data/sophon.db-shm"],
      overlay: { directory: overlay, token: "token", files: ["data/sophon.db"] },
      listener: ({ name }) => void names.push(name),
    };
    const { identity, file } = await pack(request, directory.path);
    await unpackTar({ file, compressed: true, decrypt: { identities: [identity] }, into });

    const expected = [".", "data", "data/deep", "data/deep/sophon.db-wal", "data/kept.txt"];
    expected.push(
      "data/sophon.db",
      "data/sophonXdb",
      "other",
      "other/data",
      "other/data/sophon.db",
    );
    expect(names).toHaveLength(expected.length);
    expect(new Set(names)).toEqual(new Set(expected));
    expect(readFileSync(join(into, "data/sophon.db"), "utf8")).toBe("copy");
    expect(readFileSync(join(into, "other/data/sophon.db"), "utf8")).toBe("other");
    const times = ["data", "other"].map((name) =>
      execFileSync("stat", ["-c", "%y %a %u", join(into, name)]).toString(),
    );
    const wanted = ["data", "other"].map((name) =>
      execFileSync("stat", ["-c", "%y %a %u", join(source, name)]).toString(),
    );
    expect(times).toEqual(wanted);
  });

  it("tells of sockets, and of files that cannot be read", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source } = places(directory.path);
    // By its descriptor: the path of a socket is limited to a hundred letters, and cut silently.
    await using handle = await open(source, "r");
    const server = createServer().listen(`/proc/self/fd/${handle.fd}/a: socket\nof two lines`);
    try {
      const { warnings } = await pack({ directory: source }, directory.path);
      expect(warnings.skipped).toEqual(["a: socket\nof two lines"]);
    } finally {
      server.close();
    }
    const missing = pack({ directory: join(directory.path, "nowhere") }, source);
    await expect(missing).rejects.toThrow(/nowhere.*No such file/);
  });

  it("is damaged when any bit of a header is another, also where no compression would see it", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    writeFileSync(join(directory.path, "small"), "small");
    const tar = ["--create", "--file=-", `--directory=${directory.path}`, "small"];
    const whole = execFileSync("tar", tar);
    const scan = (bytes: Buffer) => {
      const scanner = new TarScanner();
      scanner.update(bytes);
      scanner.end();
    };
    scan(whole);
    for (let at = 0; at < 512; at++) {
      // A blank or a zero after the checksum's own digits says the same.
      if (at >= 148 && at < 156) continue;
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        expect(() => scan(flipped), `bit ${bit} of byte ${at}`).toThrow(DamagedError);
      }
    }
  });

  it("is none when tar complains of what nobody here knows, though it ends as it does for a changed file", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { source, into } = places(directory.path);
    const tar = execFileSync("sh", ["-c", "command -v tar"]).toString().trim();
    const script = `#!/bin/sh\n${tar} "$@"\necho 'tar: ./x: Something that is new' >&2\nexit 1\n`;
    writeFileSync(join(into, "tar"), script, { mode: 0o755 });
    vi.stubEnv("PATH", `${into}:${process.env.PATH}`);
    try {
      const packing = pack({ directory: source }, directory.path);
      await expect(packing).rejects.toThrow(/Something that is new/);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

function places(directory: string) {
  const source = join(directory, "source");
  const into = join(directory, "into");
  mkdirSync(source);
  mkdirSync(into);
  return { source, into };
}

type Request = Parameters<typeof packTar>[0];

async function pack(request: Request, into: string) {
  const { identity, recipient } = await newKeyPair();
  const { source, done } = packTar(request);
  const file = join(into, "data.tar.zst.age");
  await writeArchive({ source, done, file, compress: true, encrypt: { recipients: [recipient] } });
  return { identity, file, ...(await done) };
}
