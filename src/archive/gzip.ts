import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { DamagedError } from "../core/errors.ts";
import { asBuffer } from "./io/byte-reader.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * Decompresses gzip to its very end, as `tar czf` makes it. The chunks of the source are kept for a while: it must
 * not use them again.
 *
 * @throws {@link DamagedError} for anything but whole members with the right checksums.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: CHUNK_BYTES });
  let given = 0;
  const counted = async function* () {
    for await (const chunk of source) {
      given += chunk.length;
      yield chunk;
    }
  };
  const fed = pipeline(Readable.from(counted()), unzip);
  // Told by the iteration below.
  fed.catch(() => undefined);
  try {
    for await (const chunk of unzip) yield asBuffer(chunk as Uint8Array);
    await fed;
    // Node stops at what is no further member, and calls that a success.
    if (given !== unzip.bytesWritten) throw new DamagedError("there is more after the gzip data");
  } catch (cause) {
    if (!isOfZlib(cause)) throw cause;
    throw new DamagedError(`the gzip data is damaged: ${(cause as Error).message}`, { cause });
  } finally {
    unzip.destroy();
  }
}

function isOfZlib(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^Z_/.test(String(error.code));
}
