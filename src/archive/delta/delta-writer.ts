import type { ChunkIndex } from "./chunk-index.ts";
import { copyCommand, deltaEnd, deltaHead, literalCommand } from "./delta-commands.ts";

/** A copy that passes over no more than this needs no second thought. */
const NEAR_BYTES = 1024 * 1024;
/** So many bytes beyond a gap prove that the stream goes on there. Also how much is kept in memory meanwhile. */
const PROOF_BYTES = 16 * 1024 * 1024;

/** Literals are written in pieces of this size at most. */
const PIECE_BYTES = 256 * 1024;

/** A chunk of the stream: its content, or where it stands in the base. */
interface Part {
  readonly data: Buffer;
  readonly entry: number | undefined;
}

/** Chunks of which is not known yet whether they are copied. */
interface Held {
  readonly parts: Part[];
  bytes: number;
  /** How many of these bytes stand in the base beyond the gap. */
  matched: number;
  readonly gap: number;
  /** The first chunk beyond the gap that may be copied. */
  entry: number;
}

/**
 * Writes a delta from the chunks of a stream and the index of its base. Copies only go forward in the base, so that a
 * reader needs each once: content that was moved to an earlier place is written anew.
 *
 * A match far ahead is either content that moved (what it passes over is still to come) or the place after something
 * that was removed. So it is held back until the stream has come back, or has gone on there for long enough.
 */
export class DeltaWriter {
  readonly #index: ChunkIndex;
  readonly #write: (piece: Buffer) => void;
  /** The first chunk of the base that may still be copied. */
  #entry = 0;
  #copy: { readonly start: number; bytes: number } | undefined;
  #literal: Buffer[] = [];
  #literalBytes = 0;
  #held: Held | undefined;
  #limit: number;

  /**
   * @param write - gets memory that belongs to it
   * @param limit - nothing beyond this place of the base is found by its content: the next {@link copy} begins there
   */
  constructor(
    index: ChunkIndex,
    write: (piece: Buffer) => void,
    limit: number = Number.POSITIVE_INFINITY,
  ) {
    this.#index = index;
    this.#write = write;
    this.#limit = limit;
    write(deltaHead());
  }

  /** @param chunk - its memory may be reused afterwards */
  add(chunk: Buffer, hash: Buffer): void {
    const near = this.#find(hash, this.#entry);
    const isNear = near !== undefined && this.#gap(this.#entry, near) <= NEAR_BYTES;
    if (isNear) {
      this.#giveUpHeld();
      this.#take({ data: chunk, entry: near });
    } else if (this.#held !== undefined) {
      this.#hold(this.#held, chunk, this.#find(hash, this.#held.entry));
    } else if (near === undefined) {
      this.#take({ data: chunk, entry: undefined });
    } else {
      const gap = this.#gap(this.#entry, near);
      this.#held = { parts: [], bytes: 0, matched: 0, gap, entry: near };
      this.#hold(this.#held, chunk, near);
    }
  }

  /**
   * Copies a range of the base without a look at its content.
   *
   * @param limit - as in the constructor, from here on
   */
  copy(start: number, bytes: number, limit: number): void {
    // All of it stands before this range.
    this.#acceptHeld();
    this.#endLiteral();
    this.#extendCopy(start, bytes);
    this.#entry = this.#index.from(start + bytes);
    this.#limit = limit;
  }

  end(): void {
    this.#acceptHeld();
    this.#endCopy();
    this.#endLiteral();
    this.#write(deltaEnd());
  }

  #hold(held: Held, chunk: Buffer, found: number | undefined): void {
    const isNear = found !== undefined && this.#gap(held.entry, found) <= NEAR_BYTES;
    held.parts.push({ data: Buffer.from(chunk), entry: isNear ? found : undefined });
    held.bytes += chunk.length;
    if (isNear) {
      held.entry = found + 1;
      held.matched += chunk.length;
    }
    if (held.matched >= Math.min(held.gap, PROOF_BYTES)) this.#acceptHeld();
    else if (held.bytes >= 2 * PROOF_BYTES) this.#giveUpHeld();
  }

  /** The stream goes on beyond the gap. */
  #acceptHeld(): void {
    const parts = this.#held?.parts ?? [];
    this.#held = undefined;
    for (const part of parts) this.#take(part);
  }

  /** It was content that moved. */
  #giveUpHeld(): void {
    const parts = this.#held?.parts ?? [];
    this.#held = undefined;
    for (const { data } of parts) this.#take({ data, entry: undefined });
  }

  #take({ data, entry }: Part): void {
    if (entry === undefined) {
      this.#endCopy();
      this.#literal.push(Buffer.from(data));
      this.#literalBytes += data.length;
      if (this.#literalBytes >= PIECE_BYTES) this.#endLiteral();
      return;
    }
    this.#endLiteral();
    this.#extendCopy(this.#index.start(entry), data.length);
    this.#entry = entry + 1;
  }

  #extendCopy(start: number, bytes: number): void {
    if (this.#copy !== undefined && this.#copy.start + this.#copy.bytes !== start) this.#endCopy();
    this.#copy ??= { start, bytes: 0 };
    this.#copy.bytes += bytes;
  }

  #find(hash: Buffer, from: number): number | undefined {
    const found = this.#index.find(hash, from, this.#entry);
    return found === undefined || this.#index.start(found + 1) > this.#limit ? undefined : found;
  }

  #endCopy(): void {
    if (this.#copy === undefined) return;
    this.#write(copyCommand(this.#copy.start, this.#copy.bytes));
    this.#copy = undefined;
  }

  #endLiteral(): void {
    if (this.#literalBytes === 0) return;
    this.#write(literalCommand(this.#literalBytes));
    for (const part of this.#literal.splice(0)) this.#write(part);
    this.#literalBytes = 0;
  }

  /** The number of bytes from the start of one chunk to the start of a later one. */
  #gap(from: number, to: number): number {
    return this.#index.start(to) - this.#index.start(from);
  }
}
