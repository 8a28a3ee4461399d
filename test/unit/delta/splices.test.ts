import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BaseRange, encodeDelta, type Splice } from "../../../src/archive/delta/encode.ts";
import { IndexWriter, readIndex } from "../../../src/archive/delta/index-file.ts";
import { mergeDelta } from "../../../src/archive/delta/merge-delta.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { gathered, indexOf, inPieces, numbers } from "./streams.ts";

/** A member of the next stream: a range of the base, or bytes of its own. */
type Part = BaseRange | Buffer;

describe("a delta with ranges that nobody read", () => {
  it("gives back the stream, whatever stands between them, and so does one that is made from it", async () => {
    await using directory = await temporaryDirectory("sk-splices-");
    const key = randomBytes(32);
    const random = numbers(5);
    for (let round = 0; round < 12; round++) {
      const base = random.bytes(200_000 + random.below(3_000_000));
      const first = await indexOf(base, key, join(directory.path, `a${round}`));
      const parts = partsOf(base, random);
      const plain = Buffer.concat(parts.map((part) => bytesOf(part, base)));
      const path = join(directory.path, `b${round}`);
      const index = new IndexWriter(path, { key, audience: Buffer.alloc(32) });
      const { stream, splices } = withoutCopies(parts);
      const delta = await gathered(
        encodeDelta(inPieces(stream, 1 + random.below(90_000)), first, { key, index, splices }),
      );
      index.finish("00".repeat(32));
      const merged = await gathered(mergeDelta(inPieces(delta), inPieces(base)));
      expect(merged.equals(plain), `round ${round}`).toBe(true);

      // Its index is one of the whole stream, copied parts included.
      const second = (await readIndex(path))?.chunks();
      expect(second?.bytes).toBe(plain.length);
      if (second === undefined) throw new Error("it has no index");
      const next = Buffer.concat([plain.subarray(0, plain.length >> 1), random.bytes(9), plain]);
      const onTop = await gathered(encodeDelta(inPieces(next), second, { key }));
      const both = await gathered(mergeDelta(inPieces(onTop), inPieces(plain)));
      expect(both.equals(next), `round ${round}`).toBe(true);
    }
  });

  it("finds what did not change in a large member between two of them", async () => {
    await using directory = await temporaryDirectory("sk-splices-");
    const key = randomBytes(32);
    const random = numbers(6);
    const base = random.bytes(6_000_000);
    const index = await indexOf(base, key, join(directory.path, "index"));
    const changed = Buffer.from(base.subarray(512_000, 5_120_000));
    changed.fill(7, 2_000_000, 2_000_100);
    const parts: Part[] = [
      { start: 0, bytes: 512_000 },
      changed,
      { start: 5_120_000, bytes: 880_000 },
      Buffer.alloc(1024),
    ];
    const { stream, splices } = withoutCopies(parts);
    const delta = await gathered(encodeDelta(inPieces(stream), index, { key, splices }));
    expect(delta.length).toBeLessThan(300_000);
    const plain = Buffer.concat(parts.map((part) => bytesOf(part, base)));
    const merged = await gathered(mergeDelta(inPieces(delta), inPieces(base)));
    expect(merged.equals(plain)).toBe(true);
  });
});

function partsOf(base: Buffer, random: ReturnType<typeof numbers>): Part[] {
  const parts: Part[] = [];
  for (let at = 0; ; ) {
    const start = at + random.below(60_000);
    const bytes = 1 + random.below(100_000);
    const kind = random.below(4);
    if (start + bytes > base.length) break;
    if (kind === 0) parts.push(random.bytes(1 + random.below(30_000)));
    // Content of elsewhere in the base, also from before and from beyond the next range.
    if (kind === 1) {
      const from = random.below(base.length - 1);
      parts.push(Buffer.from(base.subarray(from, from + random.below(200_000) + 1)));
    }
    parts.push({ start, bytes });
    at = start + bytes;
  }
  parts.push(Buffer.alloc(1024));
  return parts;
}

function bytesOf(part: Part, base: Buffer): Buffer {
  return Buffer.isBuffer(part) ? part : base.subarray(part.start, part.start + part.bytes);
}

/** The bytes of the parts that are no ranges, and where the ranges stand; the last part stands behind all. */
function withoutCopies(parts: readonly Part[]) {
  const queue: Splice[] = [];
  const ranges = parts.filter((part): part is BaseRange => !Buffer.isBuffer(part));
  let copies: BaseRange[] = [];
  let passed = 0;
  for (const part of parts.slice(0, -1)) {
    if (!Buffer.isBuffer(part)) {
      copies.push(part);
      passed++;
    } else {
      const limit = ranges[passed]?.start ?? Number.POSITIVE_INFINITY;
      queue.push({ copies, bytes: part.length, limit });
      copies = [];
    }
  }
  return {
    stream: Buffer.concat(parts.filter((part) => Buffer.isBuffer(part))),
    splices: {
      limit: ranges[0]?.start ?? Number.POSITIVE_INFINITY,
      next: () => queue.shift(),
      rest: () => copies,
    },
  };
}
