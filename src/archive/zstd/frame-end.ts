/** Bits of a block's head (RFC 8878, 3.1.1.2): the last one, two for its type, the rest its size. */
const BLOCK_HEAD_BYTES = 3;
const RUN_LENGTH = 1;
const CHECKSUM_BYTES = 4;

/**
 * Finds the end of a zstd frame in pieces of any size, by stepping from block to block.
 *
 * It looks at the pieces where they lie: a frame has some dozens of blocks, and a promise for each
 * of them took longer than decompressing does.
 */
export class FrameEnd {
  readonly #checksum: boolean;
  #head = 0;
  #headBytes = 0;
  /** Bytes up to the next head, or to the end after the last one. */
  #left = 0;
  #last: boolean = false;

  /** For what follows a frame's own head. */
  constructor(checksum: boolean) {
    this.#checksum = checksum;
  }

  get reached(): boolean {
    return this.#last && this.#left === 0;
  }

  /** Steps over the next piece; returns how many of its bytes belong to the frame. */
  pass(piece: Uint8Array): number {
    let at = 0;
    while (at < piece.length && !this.reached) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, piece.length - at);
        this.#left -= passed;
        at += passed;
      } else {
        this.#head |= (piece[at++] ?? 0) << (8 * this.#headBytes++);
        if (this.#headBytes === BLOCK_HEAD_BYTES) this.#onHead();
      }
    }
    return at;
  }

  #onHead(): void {
    const type = (this.#head >> 1) & 3;
    // A run-length block holds one byte, whatever its size says.
    this.#left = type === RUN_LENGTH ? 1 : this.#head >> 3;
    this.#last = (this.#head & 1) === 1;
    if (this.#last && this.#checksum) this.#left += CHECKSUM_BYTES;
    this.#head = 0;
    this.#headBytes = 0;
  }
}
