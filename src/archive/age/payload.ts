import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { DamagedError } from "../../core/errors.ts";
import { asBuffer, type ByteReader } from "../io/byte-reader.ts";
import { makeUnsealer } from "./open-chunks.ts";
import { makeSealer } from "./seal-chunks.ts";

/** Plaintext bytes of every STREAM chunk but the last (age specification, "Payload"). */
export const CHUNK_BYTES = 64 * 1024;
export const TAG_BYTES = 16;

/** Bytes of the nonce between the header and the payload. */
export const NONCE_BYTES = 16;

/** The key of one file's payload, from the header's file key and the payload's own nonce. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
  // A key object saves a third of the time compared with bytes, because every chunk creates a cipher.
  return createSecretKey(Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32)));
}

/** Encrypts as age's STREAM, see {@link makeSealer}. */
export async function* sealPayload(
  source: AsyncIterable<Uint8Array>,
  key: KeyObject,
): AsyncGenerator<Buffer> {
  const sealer = makeSealer(createCipheriv, key);
  for await (const piece of source) yield* sealer.update(asBuffer(piece));
  yield* sealer.end();
}

/**
 * Decrypts a STREAM to its flagged end.
 *
 * @throws {@link DamagedError} for a flipped bit, a truncated file, or bytes after the end. Chunks
 * before the damage have already been yielded: trust nothing until the end was reached.
 */
export async function* openPayload(reader: ByteReader, key: KeyObject): AsyncGenerator<Buffer> {
  const unseal = makeUnsealer(createDecipheriv, key);
  for (let last = false; !last; ) {
    const sealed = await reader.upTo(CHUNK_BYTES + TAG_BYTES);
    last = sealed.length < CHUNK_BYTES + TAG_BYTES || (await reader.atEnd());
    const plain = unseal(sealed, last);
    if (typeof plain === "string") throw new DamagedError(plain);
    if (plain.length > 0) yield plain;
  }
}
