import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { constants, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES } from "../../src/archive/io/block-pool.ts";
import { compress } from "../../src/archive/zstd/compress.ts";
import { decompress } from "../../src/archive/zstd/decompress.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";

const SIZES = [0, 1, 1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES + 99];

describe("zstd frames", () => {
  it.each(SIZES)("of %i bytes made here open with zstd and here", async (size) => {
    const plain = halfRandom(size);
    const packed = await buffer(compress(Readable.from(pieces(plain, 65_536))));
    const theirs = execFileSync("zstd", ["-dc"], { input: packed, maxBuffer: 1e9 });
    expect(sha256(theirs)).toBe(sha256(plain));
    const ours = await buffer(decompress(Readable.from(pieces(packed, 99_991))));
    expect(sha256(ours)).toBe(sha256(plain));
  });

  it("carry their content size and checksum", async () => {
    await using directory = await temporaryDirectory("sk-archive-");
    const file = join(directory.path, "x.zst");
    const packed = await buffer(compress(Readable.from([halfRandom(2 * BLOCK_BYTES + 1)])));
    writeFileSync(file, packed);
    const listed = execFileSync("zstd", ["-lv", file], { encoding: "utf8" });
    expect(listed).toMatch(/# Zstandard Frames: 3/);
    expect(listed).toMatch(new RegExp(`Decompressed Size:.*\\(${2 * BLOCK_BYTES + 1} B\\)`));
    expect(listed).toMatch(/Check: XXH64/);
  });

  it("hold what does not compress as it is, and compress the rest as zstd -3 does, also where both are mixed", async () => {
    const text = Buffer.from("a line of a log that is much like any other\n".repeat(100_000));
    const packedBytes = async (plain: Buffer) => {
      const packed = await buffer(compress(Readable.from([plain])));
      expect(sha256(await buffer(decompress(Readable.from([packed]))))).toBe(sha256(plain));
      return packed.length;
    };
    const random = randomBytes(BLOCK_BYTES);
    expect(await packedBytes(random)).toBeLessThan(BLOCK_BYTES + 2000);
    expect(await packedBytes(text.subarray(0, BLOCK_BYTES))).toBeLessThan(BLOCK_BYTES / 100);
    const fifth = Math.floor(BLOCK_BYTES / 5);
    const mixed = Buffer.concat([random.subarray(fifth), text.subarray(0, fifth)]);
    expect(await packedBytes(mixed)).toBeLessThan(BLOCK_BYTES * 0.82);
  });

  it.each([["-3"], ["-3", "-T0"], ["--no-check", "--no-content-size"], ["-19"], ["--long=26"]])(
    "made by zstd %s open here",
    async (...options) => {
      const plain = Buffer.concat([halfRandom(20_000_000), Buffer.alloc(3_000_000)]);
      const packed = execFileSync("zstd", [...options, "-c"], { input: plain, maxBuffer: 1e9 });
      const ours = await buffer(decompress(Readable.from(pieces(packed, 65_536))));
      expect(sha256(ours)).toBe(sha256(plain));
    },
  );

  it("read over skippable frames and frames of every shape in one file", async () => {
    const skippable = Buffer.concat([Buffer.from("502a4d1803000000", "hex"), Buffer.from("abc")]);
    const noSize = execFileSync("zstd", ["-c", "--no-content-size"], { input: "two" });
    const file = Buffer.concat([
      zstdCompressSync(Buffer.from("one ")),
      skippable,
      noSize,
      zstdCompressSync(Buffer.alloc(300, "3")),
    ]);
    const ours = await buffer(decompress(Readable.from(pieces(file, 1))));
    expect(ours.toString()).toBe(`one two${"3".repeat(300)}`);
  });

  it("cut at any byte, an edge of a frame apart, are damaged", async () => {
    const frames = ["one", "two", "three"].map((text) =>
      zstdCompressSync(Buffer.from(text.repeat(10)), {
        params: { [constants.ZSTD_c_checksumFlag]: 1 },
      }),
    );
    const file = Buffer.concat(frames);
    const [first = 0, second = 0] = frames.map((frame) => frame.length);
    for (let end = 0; end < file.length; end++) {
      if (end === first || end === first + second) continue;
      const cut = decompress(Readable.from([file.subarray(0, end)]));
      await expect(buffer(cut), `cut at ${end}`).rejects.toMatchObject({ result: "damaged" });
    }
  });
});

function halfRandom(size: number): Buffer {
  const half = Math.floor(size / 2);
  return Buffer.concat([randomBytes(half), Buffer.alloc(size - half, "some text, again. ")]);
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
