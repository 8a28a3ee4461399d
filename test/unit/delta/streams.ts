import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChunkObserver, encodeDelta } from "../../../src/archive/delta/encode.ts";
import { IndexWriter, readIndex } from "../../../src/archive/delta/index-file.ts";

/** A generator of numbers that gives the same ones for the same seed. */
export function numbers(seed: number): {
  below(limit: number): number;
  bytes(count: number): Buffer;
} {
  let turn = 0;
  const next = (): Buffer => createHash("sha256").update(`${seed} ${turn++}`).digest();
  return {
    below: (limit) => next().readUIntBE(0, 6) % limit,
    bytes: (count) => {
      const key = next().subarray(0, 16);
      return createCipheriv("aes-128-ctr", key, key).update(Buffer.alloc(count));
    },
  };
}

/** A buffer in pieces of various sizes. */
export async function* inPieces(bytes: Buffer, size = 70_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

export async function gathered(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

/** The chunks of a stream, by way of an index file as a backup writes it. */
export async function indexOf(base: Buffer, key: Buffer, path: string) {
  const index = new IndexWriter(path, { key, audience: Buffer.alloc(32) });
  const observer = new ChunkObserver({ key, index });
  for await (const piece of inPieces(base)) observer.update(piece);
  observer.end();
  index.finish("00".repeat(32));
  const read = await readIndex(path);
  if (read === undefined) throw new Error("the index cannot be read");
  return read.chunks();
}

/** The delta of one stream against another, by way of an index file as a backup writes it. */
export async function deltaBetween(base: Buffer, plain: Buffer): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), "sk-delta-"));
  try {
    const key = randomBytes(32);
    const index = await indexOf(base, key, join(directory, "index"));
    return await gathered(encodeDelta(inPieces(plain, 4_000_000), index, { key }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
