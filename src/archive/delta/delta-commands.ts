import { DamagedError } from "../../core/errors.ts";
import { ByteReader } from "../io/byte-reader.ts";

/** The first four bytes of a delta in librsync's format, which `rdiff patch` reads. */
const MAGIC = 0x72_73_02_36;

const END = 0x00;
/** Up to this, the command itself is the length of the literal. */
const LITERAL_SHORT = 0x40;
/** The first of four, whose length takes 1, 2, 4 or 8 bytes. */
const LITERAL = 0x41;
/** The first of sixteen: four sizes of the start, and for each four sizes of the length. */
const COPY = 0x45;
const COPY_LAST = 0x54;

/** The widths of numbers, in bytes. All are big-endian. */
const WIDTHS = [1, 2, 4, 8] as const;

/** One command of a delta: bytes that follow it, bytes of the base, or the end. */
type DeltaCommand =
  | { readonly kind: "literal"; readonly bytes: number }
  | { readonly kind: "copy"; readonly start: number; readonly bytes: number }
  | { readonly kind: "end" };

/** What a delta begins with. */
export function deltaHead(): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(MAGIC);
  return head;
}

/** The command before as many bytes of content; none may be missing. */
export function literalCommand(bytes: number): Buffer {
  if (bytes <= LITERAL_SHORT) return Buffer.of(bytes);
  const width = widthOf(bytes);
  return Buffer.concat([Buffer.of(LITERAL + width), numberBytes(bytes, width)]);
}

/** The command that takes bytes of the base, from `start` on. */
export function copyCommand(start: number, bytes: number): Buffer {
  const [startWidth, bytesWidth] = [widthOf(start), widthOf(bytes)];
  return Buffer.concat([
    Buffer.of(COPY + 4 * startWidth + bytesWidth),
    numberBytes(start, startWidth),
    numberBytes(bytes, bytesWidth),
  ]);
}

/** What a delta ends with. */
export function deltaEnd(): Buffer {
  return Buffer.of(END);
}

/** Reads a delta command by command. */
export class CommandReader {
  readonly #reader: ByteReader;

  constructor(delta: AsyncIterable<Uint8Array>) {
    this.#reader = new ByteReader(delta);
  }

  /** @throws DamagedError if this is no delta. */
  async head(): Promise<void> {
    const magic = await this.#exactly(4);
    if (magic.readUInt32BE() !== MAGIC) throw new DamagedError("this is not a delta");
  }

  /** The next command; the content of a literal must be read before. @throws DamagedError. */
  async next(): Promise<DeltaCommand> {
    const code = (await this.#exactly(1)).readUInt8();
    if (code === END) {
      if (!(await this.#reader.atEnd())) throw new DamagedError("the delta goes on after its end");
      return { kind: "end" };
    }
    if (code <= LITERAL_SHORT) return { kind: "literal", bytes: code };
    if (code < COPY) return { kind: "literal", bytes: await this.#number(code - LITERAL) };
    if (code > COPY_LAST) throw new DamagedError("the delta has an unknown command");
    const start = await this.#number((code - COPY) >> 2);
    const bytes = await this.#number((code - COPY) & 3);
    return { kind: "copy", start, bytes };
  }

  /** Between 1 and `limit` bytes of a literal, in memory of their own. @throws DamagedError. */
  async content(limit: number): Promise<Buffer> {
    const part = await this.#reader.some(limit);
    if (part.length === 0) throw cut();
    return Buffer.from(part);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  async #number(width: number): Promise<number> {
    const bytes = await this.#exactly(WIDTHS[width as 0 | 1 | 2 | 3]);
    const value =
      bytes.length === 8 ? Number(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, bytes.length);
    if (Number.isSafeInteger(value)) return value;
    throw new DamagedError("the delta has an impossible number");
  }

  async #exactly(size: number): Promise<Buffer> {
    const bytes = await this.#reader.upTo(size);
    if (bytes.length < size) throw cut();
    return bytes;
  }
}

function widthOf(value: number): number {
  if (value < 2 ** 8) return 0;
  if (value < 2 ** 16) return 1;
  return value < 2 ** 32 ? 2 : 3;
}

function numberBytes(value: number, width: number): Buffer {
  const bytes = Buffer.alloc(WIDTHS[width as 0 | 1 | 2 | 3]);
  if (bytes.length === 8) bytes.writeBigUInt64BE(BigInt(value));
  else bytes.writeUIntBE(value, 0, bytes.length);
  return bytes;
}

function cut(): DamagedError {
  return new DamagedError("the delta is cut short");
}
