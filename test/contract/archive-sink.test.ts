import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { readArchive, verifyArchive } from "../../src/archive/read-archive.ts";
import { packTar } from "../../src/archive/tar/pack-tar.ts";
import { writeArchive } from "../../src/archive/write-archive.ts";
import { spawnStream } from "../../src/core/exec.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

describe("an archive file", () => {
  it("is as its record says, closed to others, and reads back", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { identity, recipient } = await newKeyPair();
    const file = join(directory.path, "dump.age");
    const plain = randomBytes(9_000_000);
    const written = await writeArchive({
      source: Readable.from([plain.subarray(0, 7), plain.subarray(7)]),
      file,
      compress: false,
      encrypt: { recipients: [recipient] },
    });
    const [sha256] = execFileSync("sha256sum", [file]).toString().split(" ");
    expect(written).toEqual({ file, bytes: statSync(file).size, sha256, plainBytes: 9_000_000 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const request = { file, compressed: false, decrypt: { identities: [identity] } };
    expect(await verifyArchive(request)).toEqual({
      bytes: written.bytes,
      sha256,
      plainBytes: 9_000_000,
    });
    const read: Buffer[] = [];
    for await (const chunk of readArchive(request)) read.push(chunk);
    expect(Buffer.concat(read).equals(plain)).toBe(true);
  });

  it("takes a source of thousands of tiny pieces", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "x");
    const pieces = Array.from({ length: 20_000 }, (_, at) => Buffer.from([at & 0xff]));
    await writeArchive({ source: Readable.from(pieces), file, compress: false });
    expect(statSync(file).size).toBe(20_000);
  });

  it("is not made from a producer that dies after a good part", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "dump.zst");
    const child = spawnStream("sh", ["-c", "head -c 5000000 /dev/zero; echo broken >&2; exit 3"]);
    const { stdout: source, done } = child;
    const writing = writeArchive({ source, done, file, compress: true });
    await expect(writing).rejects.toThrow(/exited with 3: broken/);
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it("is gone after an abort, also of a source that hangs, and so is its producer", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "dump.zst");
    const abort = new AbortController();
    const child = spawn("sh", ["-c", "head -c 9000000 /dev/urandom; exec sleep 1000"]);
    const closed = new Promise((resolve) => child.once("close", resolve));
    const writing = writeArchive({
      source: child.stdout,
      file,
      compress: true,
      signal: abort.signal,
      progress: () => abort.abort(new Error("enough")),
    });
    await expect(writing).rejects.toThrow("enough");
    expect(existsSync(file)).toBe(false);
    child.kill("SIGKILL");
    await closed;
  });

  it("is gone after a failing source, which is the error", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "x");
    const source = new PassThrough();
    source.write(randomBytes(100));
    source.destroy(new Error("the connection was reset"));
    await expect(writeArchive({ source, file, compress: true })).rejects.toThrow(/was reset/);
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it("never replaces another", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "x");
    writeFileSync(file, "precious");
    const source = Readable.from([Buffer.from("y")]);
    await expect(writeArchive({ source, file, compress: false })).rejects.toThrow(/EEXIST/);
    expect(statSync(file).size).toBe(8);
    expect(source.destroyed).toBe(true);
  });

  it("is gone when the disk is full, and tar has ended, and the disk is named as the cause", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    await using disk = smallDisk(directory.path, 8);
    const source = join(directory.path, "source");
    mkdirSync(source);
    writeFileSync(join(source, "x"), randomBytes(30_000_000));
    const packed = packTar({ directory: source });
    const file = join(disk.path, "data.tar.zst");
    const writing = writeArchive({ ...packed, file, compress: true });
    await expect(writing).rejects.toThrow(/ENOSPC/);
    await Promise.allSettled([packed.done]);
    expect(readdirSync(disk.path)).toEqual([]);
  });
});

/** A file system of its own in memory; needs root. */
function smallDisk(directory: string, megabytes: number): AsyncDisposable & { path: string } {
  const path = join(directory, "disk");
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [path]);
    },
  };
}
