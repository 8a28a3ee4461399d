/**
 * Reads exact amounts from a stream of chunks, and copies only data that spans two chunks.
 *
 * A returned slice may be memory of the source: it is valid until two more chunks are requested from the source.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended: boolean = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** True if no byte is left; may have to ask the source. */
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

  /** Closes the source, so that its file or child process is released. */
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
 * Frees the memory of a chunk immediately, or of a part when all its other parts were released. It must not be used
 * afterwards.
 *
 * The collector runs after every few dozen megabytes of such memory, over the whole heap: left to
 * it, a fifth of an archive's time went there.
 */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (!isOwned(chunk, buffer)) return;
  const others = (owners.get(buffer) ?? 1) - 1;
  if (others > 0) owners.set(buffer, others);
  else buffer.transfer(0);
}

/** Says that nobody else looks at a chunk's memory, so that {@link release} may take all of it. */
export function soleOwner(chunk: Buffer): Buffer {
  // Node cuts small buffers out of a pool that everybody shares.
  if (chunk.buffer instanceof ArrayBuffer && chunk.buffer.byteLength > 2 * Buffer.poolSize) {
    sole.add(chunk.buffer);
  }
  return chunk;
}

/** Cuts a chunk in two without a copy. Each part is to be released by itself. */
export function split(chunk: Buffer, at: number): readonly [Buffer, Buffer] {
  const { buffer } = chunk;
  if (isOwned(chunk, buffer)) {
    sole.add(buffer);
    owners.set(buffer, (owners.get(buffer) ?? 1) + 1);
  }
  return [chunk.subarray(0, at), chunk.subarray(at)];
}

/** Whether all memory behind a chunk is its own and that of its other parts: a view of a part may share it with others. */
function isOwned(chunk: Uint8Array, buffer: ArrayBufferLike): buffer is ArrayBuffer {
  if (!(buffer instanceof ArrayBuffer)) return false;
  return chunk.byteLength === buffer.byteLength || sole.has(buffer);
}

const sole = new WeakSet<ArrayBuffer>();
/** How many parts of some memory are not released; one unless it was split. */
const owners = new WeakMap<ArrayBuffer, number>();
