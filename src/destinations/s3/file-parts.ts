import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

const mib = 2 ** 20;
/** 150 GB fit into 10,000 parts of this size, which is as many as S3 takes. */
export const usualPartBytes = 16 * mib;
const mostParts = 9_500;

/** The size of the parts of a file. The same file always has the same parts, so that a later run can continue. */
export function partSize(bytes: number, usual: number): number {
  return Math.max(usual, Math.ceil(bytes / mostParts / mib) * mib);
}

/** How many parts are on their way at once. Large parts would take too much memory. */
export function laneCount(partBytes: number): number {
  return partBytes > 64 * mib ? 1 : 3;
}

/** One part of a file, as read. */
export interface Part {
  /** From 1. */
  readonly number: number;
  readonly bytes: number;
  readonly sha256: Buffer;
  readonly md5: Buffer;
}

/** A file as it was read: what its digests must be where it is stored. */
export class FileDigest {
  readonly #whole = createHash("sha256");
  readonly parts: Part[] = [];
  bytes = 0;
  #sha256: string | undefined;

  add(content: Uint8Array, withMd5: boolean): Part {
    this.#whole.update(content);
    const part = {
      number: this.parts.length + 1,
      bytes: content.length,
      sha256: createHash("sha256").update(content).digest(),
      md5: withMd5 ? createHash("md5").update(content).digest() : Buffer.alloc(0),
    };
    this.parts.push(part);
    this.bytes += content.length;
    return part;
  }

  /** Of all that was added, lower-case hex. */
  get sha256(): string {
    this.#sha256 ??= this.#whole.digest("hex");
    return this.#sha256;
  }

  /** The SHA-256 that S3 computes for the object: of the only put, or of the digests of all parts. */
  checksum(isMultipart: boolean): string {
    return isMultipart
      ? `${this.#composite("sha256").toString("base64")}-${this.parts.length}`
      : Buffer.from(this.sha256, "hex").toString("base64");
  }

  /** The ETag that most servers compute for an object that they do not encrypt with a key of their own. */
  etag(isMultipart: boolean): string {
    const [first] = this.parts;
    return isMultipart
      ? `${this.#composite("md5").toString("hex")}-${this.parts.length}`
      : (first?.md5.toString("hex") ?? "");
  }

  #composite(algorithm: "sha256" | "md5"): Buffer {
    const hash = createHash(algorithm);
    for (const part of this.parts) hash.update(part[algorithm]);
    return hash.digest();
  }
}

/** Fills a buffer from a position on. @returns the bytes read, fewer only at the end of the file. */
export async function readFully(
  handle: FileHandle,
  buffer: Buffer,
  position: number,
): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const rest = buffer.length - filled;
    const { bytesRead } = await handle.read(buffer, filled, rest, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
