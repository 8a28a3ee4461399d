import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
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
  const read = await ifThere(scan(path, true));
  return read && { ...read.facts, chunks: () => new ChunkIndex(read.entries) };
}

/** What an index says of itself, without its chunks; undefined unless all of it is exactly what was written. */
export async function readIndexFacts(path: string): Promise<IndexFacts | undefined> {
  return (await ifThere(scan(path, false)))?.facts;
}

/** An index that cannot be read is one that is not there: the next backup is a full one. */
async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** @param isKept - whether the entries are wanted: with them memory grows with the index */
async function scan(
  path: string,
  isKept: boolean,
): Promise<{ readonly facts: IndexFacts; readonly entries: Buffer } | undefined> {
  await using handle = await openRegularFile(path);
  const entriesBytes = (await handle.stat()).size - HEAD_BYTES - END_BYTES;
  const count = entriesBytes / ENTRY_BYTES;
  if (entriesBytes < 0 || !Number.isInteger(count) || count > MOST_ENTRIES) return undefined;
  const hash = createHash("sha256");
  const read = (into: Buffer, position: number): boolean => {
    const isWhole = readAt(handle.fd, into, position);
    hash.update(into);
    return isWhole;
  };
  const head = Buffer.alloc(HEAD_BYTES);
  const entries = Buffer.allocUnsafeSlow(
    isKept ? entriesBytes : Math.min(READ_BYTES, entriesBytes),
  );
  const own = Buffer.alloc(SHA256_BYTES);
  const sum = Buffer.alloc(SHA256_BYTES);
  let isWhole = read(head, 0);
  for (let at = 0; at < entriesBytes; at += READ_BYTES) {
    const from = isKept ? at : 0;
    const piece = entries.subarray(from, from + Math.min(READ_BYTES, entriesBytes - at));
    isWhole &&= read(piece, HEAD_BYTES + at);
  }
  isWhole &&= read(own, HEAD_BYTES + entriesBytes);
  isWhole &&= readAt(handle.fd, sum, HEAD_BYTES + entriesBytes + own.length);
  if (!isWhole || !hash.digest().equals(sum)) return undefined;
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const facts = {
    key: head.subarray(MAGIC.length, MAGIC.length + KEY_BYTES),
    audience: head.subarray(MAGIC.length + KEY_BYTES),
    sha256: own.toString("hex"),
  };
  return { facts, entries };
}

/** Fills the buffer. @returns false if the file ends before. */
function readAt(file: number, into: Buffer, position: number): boolean {
  for (let at = 0; at < into.length; ) {
    const read = readSync(file, into, at, into.length - at, position + at);
    if (read === 0) return false;
    at += read;
  }
  return true;
}
