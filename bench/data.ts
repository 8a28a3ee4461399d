import { createCipheriv, createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

/** What {@link makeData} wrote. */
export interface Data {
  readonly files: number;
  readonly bytes: number;
}

const MIB = 1024 * 1024;
const DIRECTORY_FILES = 125;

/**
 * Fills `into` with the same bytes on every machine: per `scale` about 1 GB in 21,000 files, 70 %
 * of the bytes incompressible, the rest log-like text.
 *
 * Shaped like a data directory: most files small (4 to 20 KiB), some of a few hundred KiB, and a
 * handful of large ones, so that neither the per-file nor the per-byte cost hides the other.
 */
export function makeData(into: string, scale = 1): Data {
  const random = noise();
  let files = 0;
  let bytes = 0;
  const add = (group: string, count: number, size: (index: number) => number): void => {
    for (let index = 0; index < count * scale; index++) {
      const folder = join(into, group, String(Math.floor(index / DIRECTORY_FILES)));
      if (index % DIRECTORY_FILES === 0) mkdirSync(folder, { recursive: true });
      const length = size(index);
      writeMixed(join(folder, `${index}.bin`), length, index % 10 < 7, random);
      files++;
      bytes += length;
    }
  };
  add("small", 20_000, (index) => 4096 + ((index * 7919) % 16_384));
  add("medium", 950, (index) => 200_000 + ((index * 104_729) % 300_000));
  add("large", 10, (index) => 38 * MIB + index * MIB);
  return { files, bytes };
}

function writeMixed(path: string, length: number, incompressible: boolean, random: Noise): void {
  const file = openSync(path, "wx");
  for (let left = length; left > 0; left -= MIB) {
    const size = Math.min(left, MIB);
    writeSync(file, incompressible ? random.bytes(size) : random.text(size));
  }
  closeSync(file);
}

interface Noise {
  bytes(size: number): Buffer;
  text(size: number): Buffer;
}

/** A key stream is the cheapest incompressible and repeatable source there is. */
function noise(): Noise {
  const key = createHash("sha256").update("sophon-keeper bench").digest();
  const stream = createCipheriv("chacha20", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  const bytes = (size: number): Buffer => stream.update(zeros.subarray(0, size));
  return { bytes, text: (size) => logText(bytes(Math.ceil(size / 24)), size) };
}

function logText(seed: Buffer, size: number): Buffer {
  const words = ["info", "request", "channel", "agent", "memory", "gateway", "token", "completed"];
  let text = "";
  for (let at = 0; text.length < size; at++) {
    const byte = seed[at % seed.length] ?? 0;
    text += `2026-01-01T00:00:${byte % 60} ${words[byte & 7]} id=${(byte * 2654435761) >>> (at % 16)} `;
  }
  return Buffer.from(text.slice(0, size), "latin1");
}
