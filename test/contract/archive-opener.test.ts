import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { readArchive, verifyArchive } from "../../src/archive/read-archive.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

const CHUNK = 64 * 1024;
/** Above what is decrypted without a thread, around the edges of chunks and of reads. */
const SIZES = [160 * CHUNK - 1, 160 * CHUNK, 160 * CHUNK + 1, 17 * 16 * CHUNK];

describe("a large file that age made", () => {
  it.each(SIZES)("of %i bytes opens as it was, with its own checksum", async (size) => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { plain, ...request } = await ageFile(directory.path, size);
    const read: Buffer[] = [];
    for await (const chunk of readArchive(request)) read.push(chunk);
    expect(Buffer.concat(read).equals(plain)).toBe(true);
    const [sha256] = execFileSync("sha256sum", [request.file]).toString().split(" ");
    const bytes = statSync(request.file).size;
    expect(await verifyArchive(request)).toEqual({ bytes, sha256, plainBytes: size });
  });

  it("is damaged by a flipped bit, a cut anywhere, more bytes, chunks in another order", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { plain, ...request } = await ageFile(directory.path, 160 * CHUNK + 5);
    const good = readFileSync(request.file);
    const payload = good.length - (160 * (CHUNK + 16) + 5 + 16);
    const second = payload + CHUNK + 16;
    const third = second + CHUNK + 16;
    const swapped = Buffer.from(good);
    good.copy(swapped, payload, second, third);
    good.copy(swapped, second, payload, second);
    const flipped = [0, 1, 5_000_000, good.length - payload - 1].map((at) => {
      const copy = Buffer.from(good);
      copy[payload + at] = (copy[payload + at] ?? 0) ^ 1;
      return copy;
    });
    const cut = [1, 21, 22, 5_000_000 % CHUNK].map((by) => good.subarray(0, good.length - by));
    const longer = [Buffer.concat([good, Buffer.from("x")]), Buffer.concat([good, good])];
    for (const bytes of [swapped, ...flipped, ...cut, ...longer]) {
      writeFileSync(request.file, bytes);
      await expect(verifyArchive(request)).rejects.toMatchObject({ result: "damaged" });
    }
  });

  it("can be given up in the middle", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const { plain, ...request } = await ageFile(directory.path, 160 * CHUNK);
    const abort = new AbortController();
    const reading = (async () => {
      for await (const _ of readArchive({ ...request, signal: abort.signal })) {
        abort.abort(new Error("enough"));
      }
    })();
    await expect(reading).rejects.toThrow("enough");
    for await (const chunk of readArchive(request)) {
      expect(chunk.equals(plain.subarray(0, chunk.length))).toBe(true);
      break;
    }
  });
});

async function ageFile(directory: string, size: number) {
  const { identity, recipient } = await newKeyPair();
  const plain = randomBytes(size);
  const file = join(directory, "x.age");
  execFileSync("age", ["-r", recipient, "-o", file], { input: plain });
  return { plain, file, compressed: false, decrypt: { identities: [identity] } };
}
