import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { sha256Hex } from "../core/hash.ts";
import type { FrameFacts } from "./zstd/compress.ts";

/** One member of an archive as its headers describe it, and where it is. */
export interface IndexMember {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  /** Permission bits. */
  readonly mode: number;
  /** Time of the last change, in seconds since the epoch. */
  readonly mtimeSeconds: number;
  /** What a hard or symbolic link names; undefined for everything else. */
  readonly linkName?: string;
  /** Where its first header begins, in bytes from the start of the plain archive. */
  readonly offset: number;
  /** Its headers, content and padding, in bytes. Not valid for the sparse files of GNU tar's own old format. */
  readonly recordBytes: number;
}

/** Where the index of an archive is. Recorded in the manifest, whose hash of it proves each frame that it names. */
export interface IndexPlace {
  /** In the zstd data, which is inside the encryption. */
  readonly at: number;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** The first line of an index: bytes of the content, bytes of the frame and its digest, of each frame in order. */
export type FrameLine = readonly (readonly [plainBytes: number, bytes: number, digest: string])[];
/** Each other line: one member. */
export type MemberLine = readonly [
  name: string,
  type: string,
  bytes: number,
  mode: number,
  mtimeSeconds: number,
  offset: number,
  recordBytes: number,
  linkName?: string,
];

/** By RFC 8878, 3.1.2. Every reader of zstd steps over such a frame. */
const SKIPPABLE_HEAD = Buffer.from("5f2a4d18", "hex");
const SKIPPABLE_HEAD_BYTES = 8;
const BATCH_BYTES = 256 * 1024;

const compressed = promisify(zstdCompress);

/**
 * Gathers what is needed to read single members of an archive later: which members there are, where each begins, and
 * the hash of every zstd frame.
 *
 * It is written behind the last frame as a frame that zstd skips: it is encrypted with the archive, and no tool that
 * reads the whole archive sees it. A million members need about 15 MB of memory.
 */
export class IndexWriter {
  readonly #frames: FrameFacts[] = [];
  readonly #batches: Promise<Buffer>[] = [];
  #lines: string[] = [];
  #linesBytes = 0;
  #place: IndexPlace | undefined;

  /** Where the index was written; undefined before that. */
  get place(): IndexPlace | undefined {
    return this.#place;
  }

  addMember(member: IndexMember): void {
    const { name, type, bytes, mode, mtimeSeconds, offset, recordBytes, linkName } = member;
    const facts = [name, type, bytes, mode, mtimeSeconds, offset, recordBytes] as const;
    const line: MemberLine = linkName === undefined ? facts : [...facts, linkName];
    const text = `${JSON.stringify(line)}\n`;
    this.#lines.push(text);
    this.#linesBytes += text.length;
    if (this.#linesBytes >= BATCH_BYTES) this.#pack();
  }

  /** The frames of an archive as they come, and behind them the index. */
  async *follow(
    frames: (onFrame: (frame: FrameFacts) => void) => AsyncIterable<Buffer>,
  ): AsyncGenerator<Buffer> {
    let at = SKIPPABLE_HEAD_BYTES;
    const onFrame = (frame: FrameFacts): void => {
      this.#frames.push(frame);
      at += frame.bytes;
    };
    yield* frames(onFrame);
    const content = await this.#content();
    this.#place = { at, bytes: content.length, sha256: sha256Hex(content) };
    // Memory of its own: whoever writes it takes it over.
    const frame = Buffer.allocUnsafeSlow(SKIPPABLE_HEAD_BYTES + content.length);
    SKIPPABLE_HEAD.copy(frame);
    frame.writeUInt32LE(content.length, SKIPPABLE_HEAD.length);
    content.copy(frame, SKIPPABLE_HEAD_BYTES);
    yield frame;
  }

  async #content(): Promise<Buffer> {
    this.#pack();
    const line: FrameLine = this.#frames.map(({ plainBytes, bytes, digest }) => [
      plainBytes,
      bytes,
      digest,
    ]);
    const head = await compressed(Buffer.from(`${JSON.stringify(line)}\n`));
    return Buffer.concat([head, ...(await Promise.all(this.#batches))]);
  }

  #pack(): void {
    if (this.#lines.length === 0) return;
    const batch = compressed(Buffer.from(this.#lines.join("")));
    // It is awaited at the end; until then a failure must not count as unhandled.
    batch.catch(() => undefined);
    this.#batches.push(batch);
    this.#lines = [];
    this.#linesBytes = 0;
  }
}
