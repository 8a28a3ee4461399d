import { createCipheriv, createHash } from "node:crypto";
import { constants, write } from "node:fs";
import { open } from "node:fs/promises";
import { beginFile } from "../src/archive/age/age.ts";
import { makeSealer } from "../src/archive/age/seal-chunks.ts";
import { BLOCK_BYTES } from "../src/archive/io/block-pool.ts";
import { release, soleOwner } from "../src/archive/io/byte-reader.ts";
import { makeBlockWriter } from "../src/archive/io/direct-write.ts";
import { FramePacker } from "../src/archive/zstd/compress-thread.ts";

/** So many blocks at once: each part is busy long enough to be measured, and memory is bounded. */
const PARTS_BLOCKS = 4;

/** Each part of an archive by itself, one after the other, on the same bytes. Prints its processor time as JSON. */
export async function archiveParts(tar: string, file: string, recipient: string): Promise<void> {
  const seconds: Record<string, number> = {};
  const timed = async <T>(part: string, work: () => T | Promise<T>): Promise<T> => {
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    seconds[part] = (seconds[part] ?? 0) + (user + system) / 1e6;
    return result;
  };
  await using packer = new FramePacker();
  await using output = await open(file, "wx", 0o600);
  const flags = constants.O_WRONLY | constants.O_DIRECT;
  await using direct = await open(file, flags);
  const { key } = await beginFile({ recipients: [recipient] });
  const sealer = makeSealer(createCipheriv, key);
  const hash = createHash("sha256");
  const writer = makeBlockWriter(write, { fd: output.fd, direct: direct.fd });
  const blocks = Array.from({ length: PARTS_BLOCKS }, () =>
    Buffer.from(new SharedArrayBuffer(BLOCK_BYTES)),
  );
  await using input = await open(tar);
  for (let isEnd = false; !isEnd; ) {
    const full: Buffer[] = [];
    for (const block of blocks) {
      const { bytesRead } = await input.read(block, 0, BLOCK_BYTES, null);
      isEnd ||= bytesRead < BLOCK_BYTES;
      if (bytesRead > 0) full.push(block.subarray(0, bytesRead));
      if (isEnd) break;
    }
    const packed = await timed("zstd", async () =>
      (await Promise.all(full.map((block) => packer.pack(block)))).flat(),
    );
    const sealed = await timed("cipher", () => packed.flatMap(({ frame }) => sealer.update(frame)));
    await timed("SHA-256 of the file", () => {
      for (const piece of sealed) hash.update(piece);
    });
    await timed("SHA-256 of each frame", () => {
      for (const { frame } of packed) createHash("sha256").update(frame).digest();
    });
    await timed("writing", async () => {
      for (const piece of sealed) await writer.put(piece);
    });
    for (const piece of [...packed.map(({ frame }) => soleOwner(frame)), ...sealed]) release(piece);
  }
  await timed("writing", async () => {
    await writer.end();
    await output.sync();
  });
  console.log(JSON.stringify(seconds));
}
