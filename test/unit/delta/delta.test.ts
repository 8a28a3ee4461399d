import { describe, expect, it } from "vitest";
import {
  copyCommand,
  deltaEnd,
  deltaHead,
  literalCommand,
} from "../../../src/archive/delta/delta-commands.ts";
import { measureDelta, mergeDelta } from "../../../src/archive/delta/merge-delta.ts";
import { release } from "../../../src/archive/io/byte-reader.ts";
import { DamagedError } from "../../../src/core/errors.ts";
import { deltaBetween, gathered, inPieces, numbers } from "./streams.ts";

const merged = (delta: Buffer, base: Buffer) =>
  gathered(mergeDelta(inPieces(delta, 1000), inPieces(base, 30_000)));

/** A stream after some of what happens to files in a night. */
function changed(before: Buffer, random: ReturnType<typeof numbers>): Buffer {
  let bytes = before;
  for (let change = 0; change < 6; change++) {
    const at = random.below(bytes.length);
    const size = random.below(40_000);
    const [head, middle, tail] = [
      bytes.subarray(0, at),
      bytes.subarray(at, at + size),
      bytes.subarray(at + size),
    ];
    const kinds = [
      [head, random.bytes(size), tail],
      [head, random.bytes(size), middle, tail],
      [head, tail],
      [middle, head, tail],
      [head, tail, middle],
      [head, middle, middle, Buffer.alloc(size), tail],
    ];
    bytes = Buffer.concat(kinds[random.below(kinds.length)] ?? []);
  }
  return bytes;
}

describe("a delta", () => {
  it("gives back the exact stream, whatever changed, in a fraction of its size", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = numbers(seed);
      const base = random.bytes(random.below(900_000) + 1);
      const plain = seed === 0 ? Buffer.alloc(0) : changed(base, random);
      const delta = await deltaBetween(base, plain);
      expect((await merged(delta, base)).equals(plain), `seed ${seed}`).toBe(true);
      expect(await measureDelta(inPieces(delta), base.length), `seed ${seed}`).toBe(plain.length);
      expect(delta.length, `seed ${seed}`).toBeLessThan(plain.length + 2000);
    }
  });

  it("is a few bytes for the same stream", async () => {
    const base = numbers(1).bytes(3_000_000);
    expect((await deltaBetween(base, base)).length).toBeLessThan(20);
  });

  it("copies what follows a large removed part, and what surrounds a moved one", async () => {
    const [a, b, c] = [1, 2, 3].map((seed) => numbers(seed).bytes(4_000_000)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    const removed = await deltaBetween(Buffer.concat([a, b, c]), Buffer.concat([a, c]));
    expect(removed.length).toBeLessThan(300_000);
    const moved = await deltaBetween(
      Buffer.concat([a, b, c.subarray(0, 1_500_000)]),
      Buffer.concat([c.subarray(0, 1_500_000), a, b]),
    );
    expect(moved.length).toBeLessThan(1_800_000);
  });

  it("costs one page for a changed page of a SQLite database inside a tar", async () => {
    const random = numbers(5);
    const page = 4096;
    const database = random.bytes(page * 500);
    database.write("SQLite format 3\0", 0, "latin1");
    database.writeUInt16BE(page, 16);
    database.writeUInt32BE(500, 28);
    const around = (content: Buffer) => Buffer.concat([random2(512 * 9), content, random2(70_000)]);
    const random2 = (size: number) => numbers(6).bytes(size);
    const after = Buffer.from(database);
    for (let at = 10; at < 500; at += 50) after.writeUInt32BE(at, at * page + 2000);
    const delta = await deltaBetween(around(database), around(after));
    expect(delta.length).toBeLessThan(10 * (page + 20) + 200);
    expect((await merged(delta, around(database))).equals(around(after))).toBe(true);
  });

  it("is read without an end of its memory: a long run of zeros against one", async () => {
    const zeros = Buffer.alloc(40_000_000);
    const plain = Buffer.concat([zeros, Buffer.from("end")]);
    const delta = await deltaBetween(zeros, plain);
    expect(delta.length).toBeLessThan(200_000);
    expect((await merged(delta, zeros)).equals(plain)).toBe(true);
  });
});

describe("a merged stream", () => {
  it("is made of the base's own memory, freed when the last part of it was released", async () => {
    const base = numbers(8).bytes(3_000_000);
    const copies = [copyCommand(10, 500_000), copyCommand(500_020, 30), copyCommand(600_000, 2e6)];
    const parts = [
      ...copies.slice(0, 2),
      literalCommand(3),
      Buffer.from("new"),
      ...copies.slice(2),
    ];
    const delta = Buffer.concat([deltaHead(), ...parts, deltaEnd()]);
    const plain = [base.subarray(10, 500_010), base.subarray(500_020, 500_050), Buffer.from("new")];
    const expected = Buffer.concat([...plain, base.subarray(600_000, 2_600_000)]);
    const chunks: ArrayBuffer[] = [];
    const source = async function* () {
      for (let at = 0; at < base.length; at += 1_000_000) {
        const chunk = Buffer.alloc(1_000_000, base.subarray(at, at + 1_000_000));
        chunks.push(chunk.buffer);
        yield chunk;
      }
    };
    // Each part is released late, as by a reader that writes it to a pipe, and once more merged on the way.
    const again = Buffer.concat([deltaHead(), copyCommand(0, expected.length), deltaEnd()]);
    const held: Buffer[] = [];
    const found: Buffer[] = [];
    const use = (part: Buffer) => {
      found.push(Buffer.from(part));
      release(part);
    };
    for await (const part of mergeDelta(inPieces(again), mergeDelta(inPieces(delta), source()))) {
      held.push(part);
      if (held.length > 2) use(held.shift() ?? part);
    }
    for (const part of held) use(part);
    expect(Buffer.concat(found).equals(expected)).toBe(true);
    expect(chunks.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
  });
});

describe("a damaged delta", () => {
  it("never gives the same stream, and nearly always an error", async () => {
    const random = numbers(7);
    const base = random.bytes(200_000);
    const plain = changed(base, random);
    const delta = await deltaBetween(base, plain);
    for (let round = 0; round < 300; round++) {
      const damaged = Buffer.from(delta);
      const at = random.below(delta.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
      const result = await merged(damaged, base).catch((error: unknown) => error);
      if (Buffer.isBuffer(result)) expect(result.equals(plain)).toBe(false);
      else expect(result).toBeInstanceOf(DamagedError);
      const cut = await merged(delta.subarray(0, at), base).catch((error: unknown) => error);
      expect(cut).toBeInstanceOf(DamagedError);
    }
  });

  it.each([
    ["goes back in its base", [copyCommand(10, 10), copyCommand(5, 1)]],
    ["needs more of its base", [copyCommand(95, 6)]],
    ["needs more of its base", [copyCommand(200, 6)]],
    ["an empty command", [copyCommand(3, 0)]],
    ["an empty command", [Buffer.of(0x41, 0)]],
    ["unknown command", [Buffer.of(0x55)]],
    ["impossible number", [Buffer.of(0x44, 255, 255, 255, 255, 255, 255, 255, 255)]],
    ["cut short", [literalCommand(5), Buffer.from("ab")]],
  ])("that %s is told", async (what, parts) => {
    const delta = Buffer.concat([deltaHead(), ...parts, deltaEnd()]);
    await expect(merged(delta, Buffer.alloc(100))).rejects.toThrow(what);
  });

  it("that does not begin or end as one is told", async () => {
    await expect(merged(Buffer.from("no delta"), Buffer.alloc(1))).rejects.toThrow("not a delta");
    const long = Buffer.concat([deltaHead(), deltaEnd(), Buffer.of(0)]);
    await expect(merged(long, Buffer.alloc(1))).rejects.toThrow("goes on after its end");
  });
});
