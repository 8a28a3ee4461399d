import { createCipheriv, createSecretKey, randomBytes, randomInt } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { decryptStream, encryptStream } from "../../src/archive/age/age.ts";
import { newKeyPair } from "../../src/archive/age/keys.ts";
import { openPayload } from "../../src/archive/age/payload.ts";
import { ByteReader } from "../../src/archive/io/byte-reader.ts";
import { compress } from "../../src/archive/zstd/compress.ts";
import { decompress } from "../../src/archive/zstd/decompress.ts";

const ROUNDS = 300;

describe("damage at random places is always found", () => {
  it("in an age file: flips, cuts, additions, repeated and swapped chunks", async () => {
    const { identity, recipient } = await newKeyPair();
    const plain = randomBytes(5 * 65_536 + 1000);
    const whole = await buffer(encryptStream({ recipients: [recipient] })(Readable.from([plain])));
    const open = (file: Buffer) =>
      buffer(decryptStream({ identities: [identity] })(Readable.from([file])));
    expect(await open(whole)).toEqual(plain);
    // A damaged header may also look like somebody else's file; it never opens.
    for (const damaged of damages(whole)) await expect(open(damaged)).rejects.toThrow();
    const chunk = 65_536 + 16;
    const payload = whole.length - 5 * chunk - 1016;
    const swapped = Buffer.from(whole);
    whole.copy(swapped, payload, payload + chunk, payload + 2 * chunk);
    whole.copy(swapped, payload + chunk, payload, payload + chunk);
    await expect(open(swapped)).rejects.toMatchObject({ result: "damaged" });
    for (let chunks = 0; chunks <= 5; chunks++) {
      const cut = whole.subarray(0, payload + chunks * chunk);
      await expect(open(cut)).rejects.toMatchObject({ result: "damaged" });
    }
  });

  it("in an age payload that ends in an empty chunk, which age does not open either", async () => {
    const key = createSecretKey(randomBytes(32));
    const seal = (counter: number, last: boolean, plain: Buffer) => {
      const nonce = Buffer.alloc(12);
      nonce.writeUIntBE(counter, 5, 6);
      nonce[11] = Number(last);
      const chunk = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
      return Buffer.concat([chunk.update(plain), chunk.final(), chunk.getAuthTag()]);
    };
    const open = (...chunks: Buffer[]) =>
      buffer(openPayload(new ByteReader(Readable.from(chunks)), key));
    const full = Buffer.alloc(65_536, "full");
    expect(await open(seal(0, true, full))).toEqual(full);
    const ends = open(seal(0, false, full), seal(1, true, Buffer.alloc(0)));
    await expect(ends).rejects.toMatchObject({ result: "damaged" });
  });

  it("in zstd frames: flips, cuts inside a frame, additions", async () => {
    const text = Buffer.from(Array.from({ length: 30_000 }, (_, at) => `line ${at * 7919}`).join());
    const plain = Buffer.concat([text, randomBytes(100_000)]);
    const whole = await buffer(compress(Readable.from([plain])));
    const open = (file: Buffer) => buffer(decompress(Readable.from([file])));
    expect(await open(whole)).toEqual(plain);
    for (const damaged of damages(whole)) {
      const result = await open(damaged).catch((error: unknown) => error);
      // A few header bits say the same thing in another way (a window larger than needed).
      if (Buffer.isBuffer(result)) expect(result).toEqual(plain);
      else expect(result).toMatchObject({ result: "damaged" });
    }
  });
});

function* damages(whole: Buffer): Generator<Buffer> {
  for (let round = 0; round < ROUNDS; round++) {
    const flipped = Buffer.from(whole);
    // Every other flip near the start, where the headers are.
    const at = randomInt(round % 2 === 0 ? whole.length : 400);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << randomInt(8));
    yield flipped;
    if (round % 4 === 0) yield whole.subarray(0, randomInt(1, whole.length));
    if (round % 10 === 0) yield Buffer.concat([whole, randomBytes(randomInt(1, 100))]);
  }
  yield Buffer.concat([whole, Buffer.alloc(1)]);
  yield whole.subarray(0, -1);
}
