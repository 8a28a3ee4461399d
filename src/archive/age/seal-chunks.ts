import type { createCipheriv, KeyObject } from "node:crypto";

/** Makes the chunks of one age payload out of pieces of any size. */
interface Sealer {
  /** The chunks that are known not to be the last, as ciphertexts and tags in turn. */
  update(piece: Buffer): Buffer[];
  /** The last chunk. */
  end(): Buffer[];
}

/**
 * Encrypts as age's STREAM: 64 KiB chunks of ChaCha20-Poly1305 under a counter, the last one
 * flagged, so that truncated, swapped or added chunks are detected.
 *
 * Uses nothing but its arguments and globals: its text also runs in a thread of its own.
 */
export function makeSealer(cipher: typeof createCipheriv, key: KeyObject): Sealer {
  const chunkBytes = 64 * 1024;
  const nonce = Buffer.alloc(12);
  // The last chunk is flagged, so a full one is held until more is known to follow.
  const held = Buffer.alloc(chunkBytes);
  let heldBytes = 0;
  let counter = 0;
  const seal = (plain: Buffer, last: boolean): Buffer[] => {
    nonce.writeUIntBE(counter++, 5, 6);
    nonce[11] = last ? 1 : 0;
    const chunk = cipher("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    const sealed = chunk.update(plain);
    chunk.final();
    return [sealed, chunk.getAuthTag()];
  };
  return {
    update(piece) {
      const sealed: Buffer[] = [];
      let at = 0;
      if (heldBytes > 0) {
        at = piece.copy(held, heldBytes);
        heldBytes += at;
        if (at === piece.length) return sealed;
        sealed.push(...seal(held, false));
        heldBytes = 0;
      }
      for (; piece.length - at > chunkBytes; at += chunkBytes) {
        sealed.push(...seal(piece.subarray(at, at + chunkBytes), false));
      }
      heldBytes = piece.copy(held, 0, at);
      return sealed;
    },
    end: () => seal(held.subarray(0, heldBytes), true),
  };
}
