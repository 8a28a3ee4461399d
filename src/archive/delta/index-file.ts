import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { sha256Hex } from "../../core/hash.ts";
import { openRegularFile } from "../../core/regular-file.ts";
import { ChunkIndex, ENTRY_BYTES, MOST_ENTRIES } from "./chunk-index.ts";

/** Begins the file; the last letter is the version of its format and of the way streams are cut. */
const MAGIC = Buffer.from("SKINDEX1");
const KEY_BYTES = 32;
const SHA256_BYTES = 32;
const HEAD_BYTES = MAGIC.length + KEY_BYTES + SHA256_BYTES;
/** The SHA-256 of the component, and that of all before it. */
const END_BYTES = 2 * SHA256_BYTES;
const WRITE_BYTES = 1024 * 1024;
const READ_BYTES = 1024 * 1024;

/** What an index is bound to. */
interface IndexHead {
  /** The key of the chunks' hashes. */
  readonly key: Buffer;
  /** A digest of who can read the backup, 32 bytes: another audience must not get a delta of what it cannot read. */
  readonly audience: Buffer;
}

/** What a whole index says of itself. */
export interface IndexFacts extends IndexHead {
  /** Hex SHA-256 of the component's file of whose plain stream it is the index. */
  readonly sha256: string;
}

/** Writes the chunks of a component's plain stream beside the unfinished backup, mode 0600. */
export class IndexWriter {
  readonly #file: number;
  readonly #hash: Hash = createHash("sha256");
  #waiting = Buffer.alloc(WRITE_BYTES);
  #filled = 0;
  #entries = 0;

  /** @throws the file system's error. */
  constructor(path: string, { key, audience }: IndexHead) {
    this.#file = openSync(path, "w", 0o600);
    this.#put(Buffer.concat([MAGIC, key, audience]));
  }

  add(hash: Buffer, bytes: number): void {
    this.#entries++;
    if (this.#entries > MOST_ENTRIES) return;
    if (this.#filled + ENTRY_BYTES > this.#waiting.length) this.#flush();
    hash.copy(this.#waiting, this.#filled);
    this.#waiting.writeUInt32LE(bytes, this.#filled + hash.length);
    this.#filled += ENTRY_BYTES;
  }

  /** Adds chunks as they stand in another index. */
  addEntries(entries: Buffer): void {
    this.#entries += entries.length / ENTRY_BYTES;
    if (this.#entries > MOST_ENTRIES) return;
    this.#flush();
    this.#put(entries);
  }

  /**
   * Completes the index and closes the file.
   *
   * @param sha256 - hex, of the component's file
   * @returns false if the stream had too many chunks: the file is no index then.
   */
  finish(sha256: string): boolean {
    this.#flush();
    this.#put(Buffer.from(sha256, "hex"));
    this.#write(this.#hash.digest());
    fsyncSync(this.#file);
    this.close();
    return this.#entries <= MOST_ENTRIES;
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    this.#put(this.#waiting.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #put(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }
}

/** Reads an index whole; undefined unless it is exactly what was written. */
export async function readIndex(
  path: string,
): Promise<(IndexFacts & { readonly chunks: () => ChunkIndex }) | undefined> {
  const bytes = await bytesOf(path);
  if (bytes === undefined || bytes.length < HEAD_BYTES + END_BYTES) return undefined;
  const sum = bytes.subarray(bytes.length - SHA256_BYTES);
  const summed = bytes.subarray(0, bytes.length - SHA256_BYTES);
  const entries = bytes.subarray(HEAD_BYTES, bytes.length - END_BYTES);
  const isWhole =
    sha256Hex(summed) === sum.toString("hex") &&
    bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
    entries.length % ENTRY_BYTES === 0 &&
    entries.length / ENTRY_BYTES <= MOST_ENTRIES;
  if (!isWhole) return undefined;
  const key = bytes.subarray(MAGIC.length, MAGIC.length + KEY_BYTES);
  return {
    key,
    audience: bytes.subarray(MAGIC.length + KEY_BYTES, HEAD_BYTES),
    sha256: summed.subarray(summed.length - SHA256_BYTES).toString("hex"),
    chunks: () => new ChunkIndex(entries),
  };
}

async function bytesOf(path: string): Promise<Buffer | undefined> {
  try {
    await using handle = await openRegularFile(path);
    const { size } = await handle.stat();
    if (size > HEAD_BYTES + END_BYTES + MOST_ENTRIES * ENTRY_BYTES) return undefined;
    const bytes = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size; ) {
      const read = readSync(handle.fd, bytes, at, Math.min(READ_BYTES, size - at), at);
      if (read === 0) return undefined;
      at += read;
    }
    return bytes;
  } catch (error) {
    // An index that cannot be read is one that is not there: the next backup is a full one.
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
