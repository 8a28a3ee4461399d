import { randomBytes } from "node:crypto";
import { constants, readFileSync, write } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { makeBlockWriter } from "../../src/archive/io/direct-write.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

const BLOCK = 2 * 1024 * 1024;
const SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK + 4097];

describe("a file written in blocks", () => {
  it.each(SIZES)("past the page cache, %i bytes, holds what was put", async (size) => {
    await using file = await openTwice();
    const bytes = randomBytes(size);
    const writer = makeBlockWriter(write, file);
    for (const piece of pieces(bytes)) await writer.put(piece);
    expect(await writer.end()).toBe(size);
    expect(readFileSync(file.path).equals(bytes)).toBe(true);
  });

  it("holds the same where the disk takes no such write from some point on", async () => {
    await using file = await openTwice();
    const bytes = randomBytes(9 * BLOCK + 5);
    let direct = 0;
    const refusing = ((fd: number, ...rest: [Buffer, number, number, number, Done]) => {
      if (fd !== file.direct || ++direct < 3) return write(fd, ...rest);
      return rest[4](Object.assign(new Error("EINVAL"), { code: "EINVAL" }), 0);
    }) as typeof write;
    const writer = makeBlockWriter(refusing, file);
    for (const piece of pieces(bytes)) await writer.put(piece);
    expect(await writer.end()).toBe(bytes.length);
    expect(readFileSync(file.path).equals(bytes)).toBe(true);
  });

  it("holds the same where every write is short", async () => {
    await using file = await openTwice();
    const bytes = randomBytes(3 * BLOCK + 77);
    const short = ((...[fd, from, at, length, ...rest]: Arguments) =>
      write(fd, from, at, Math.ceil(length / 3), ...rest)) as typeof write;
    const writer = makeBlockWriter(short, file);
    for (const piece of pieces(bytes)) await writer.put(piece);
    expect(await writer.end()).toBe(bytes.length);
    expect(readFileSync(file.path).equals(bytes)).toBe(true);
  });

  it("is looked at block by block in its order, each as it is until the look is over", async () => {
    await using file = await openTwice();
    const bytes = randomBytes(20 * BLOCK + 99);
    const seen: Buffer[] = [];
    let looks: Promise<void> = Promise.resolve();
    const look = (block: Uint8Array): Promise<void> => {
      looks = looks.then(() => setImmediate()).then(() => void seen.push(Buffer.from(block)));
      return looks;
    };
    const writer = makeBlockWriter(write, file, look);
    for (const piece of pieces(bytes)) await writer.put(piece);
    expect(await writer.end()).toBe(bytes.length);
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
    expect(readFileSync(file.path).equals(bytes)).toBe(true);
  });

  it("fails with the error of who looks at it", async () => {
    await using file = await openTwice();
    const look = () => Promise.reject(new Error("the hashing thread ended early"));
    const writer = makeBlockWriter(write, file, look);
    await writer.put(randomBytes(5));
    await expect(writer.end()).rejects.toThrow("the hashing thread ended early");
  });

  it("fails with the disk's own error", async () => {
    await using full = await open("/dev/full", "w");
    const writer = makeBlockWriter(write, { fd: full.fd, direct: undefined });
    await writer.put(randomBytes(5));
    await expect(writer.end()).rejects.toMatchObject({ code: "ENOSPC" });
  });
});

type Done = (error: Error | null, written: number) => void;
type Arguments = [number, Buffer, number, number, number, Done];

async function openTwice() {
  const directory = await temporaryDirectory("sk-archive-");
  const path = join(directory.path, "x");
  const plain = await open(path, "wx");
  // Whether the disk of the tests takes it is not for them to say.
  const direct = await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(() => plain);
  return {
    path,
    fd: plain.fd,
    direct: direct.fd,
    async [Symbol.asyncDispose]() {
      if (direct !== plain) await direct.close();
      await plain.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 31) % 99_991) {
    yield bytes.subarray(at, at + size);
  }
}
