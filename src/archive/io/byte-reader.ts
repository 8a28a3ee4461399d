/**
 * Pulls exact amounts out of a stream of chunks, copying only what straddles two of them.
 *
 * A returned slice may be the source's own memory: it is good until the source has been asked for
 * two more chunks.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended: boolean = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** True when no byte is left; only knows after asking the source. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** Exactly `size` bytes, or fewer only where the stream ends. */
  async upTo(size: number): Promise<Buffer> {
    if (!(await this.#fill())) return Buffer.alloc(0);
    if (this.#chunk.length >= size) return this.#take(size);
    const gathered = Buffer.allocUnsafe(size);
    let have = 0;
    while (have < size && (await this.#fill())) {
      have += this.#take(size - have).copy(gathered, have);
    }
    return gathered.subarray(0, have);
  }

  /** What is there to be read next, without reading it; nothing where the stream ends. */
  async peek(): Promise<Buffer> {
    await this.#fill();
    return this.#chunk;
  }

  /** Between 1 and `limit` bytes without copying, or none where the stream ends. */
  async some(limit: number): Promise<Buffer> {
    return (await this.#fill()) ? this.#take(limit) : Buffer.alloc(0);
  }

  /** Tells the source that nothing more is wanted, so that a file or child is let go. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#source.return?.();
  }

  #take(size: number): Buffer {
    const part = this.#chunk.subarray(0, size);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0 && !this.#ended) {
      const next = await this.#source.next();
      if (next.done) this.#ended = true;
      else this.#chunk = asBuffer(next.value);
    }
    return this.#chunk.length > 0;
  }
}

/** The same memory seen as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Gives a chunk's memory back at once. Nobody may look at it again.
 *
 * The collector runs after every few dozen megabytes of such memory, over the whole heap: left to
 * it, a fifth of an archive's time went there.
 */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (!(buffer instanceof ArrayBuffer)) return;
  // A view of a part shares its memory with others, unless it is known not to.
  if (chunk.byteLength === buffer.byteLength || sole.has(buffer)) buffer.transfer(0);
}

/** Says that nobody else looks at a chunk's memory, so that {@link release} may take all of it. */
export function soleOwner(chunk: Buffer): Buffer {
  // Node cuts small buffers out of a pool that everybody shares.
  if (chunk.buffer instanceof ArrayBuffer && chunk.buffer.byteLength > 2 * Buffer.poolSize) {
    sole.add(chunk.buffer);
  }
  return chunk;
}

const sole = new WeakSet<ArrayBuffer>();
