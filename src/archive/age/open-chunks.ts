import type { createDecipheriv, KeyObject } from "node:crypto";

/** Opens the next chunk of a payload: its plain bytes, or in words what is wrong with it. */
type Unsealer = (sealed: Buffer, last: boolean) => Buffer | string;

/**
 * Decrypts the chunks of age's STREAM in their order, see `makeSealer`.
 *
 * @param first - the number of the first chunk that it will be given; the file's first chunk is 0
 *
 * Uses nothing but its arguments and globals: its text also runs in a thread of its own.
 */
export function makeUnsealer(
  decipher: typeof createDecipheriv,
  key: KeyObject,
  first = 0,
): Unsealer {
  const tagBytes = 16;
  const nonce = Buffer.alloc(12);
  let counter = first;
  return (sealed, last) => {
    const end = sealed.length - tagBytes;
    if (end < 0) return "the encrypted file is cut short";
    nonce.writeUIntBE(counter, 5, 6);
    nonce[11] = last ? 1 : 0;
    const chunk = decipher("chacha20-poly1305", key, nonce, { authTagLength: tagBytes });
    chunk.setAuthTag(sealed.subarray(end));
    const plain = chunk.update(sealed.subarray(0, end));
    try {
      chunk.final();
    } catch {
      return "the encrypted file is damaged or cut short";
    }
    if (end === 0 && counter > 0) return "the encrypted file ends in an empty chunk";
    counter++;
    return plain;
  };
}
