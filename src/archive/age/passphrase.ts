import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { type Identity, type Recipient, Stanza } from "age-encryption";

/** What the `age` tool uses too; about 2 s and 256 MiB for every file made or opened. */
const WORK_FACTOR = 18;
/** The limit of the package. A larger work factor would be an attack on the reader. */
const WORK_FACTOR_LIMIT = 20;
const LABEL = "age-encryption.org/v1/scrypt";
const CIPHER = "chacha20-poly1305";
const TAG_BYTES = 16;
const SALT_BYTES = 16;

/**
 * The scrypt recipient of the age specification, derived on the thread pool.
 *
 * The package has one as well, in JavaScript on the main thread: seconds in which no signal, timer
 * or child of the host would be served.
 */
export function passphraseRecipient(passphrase: string): Recipient {
  return {
    async wrapFileKey(fileKey) {
      const salt = randomBytes(SALT_BYTES);
      const key = await derive(passphrase, salt, WORK_FACTOR);
      const cipher = createCipheriv(CIPHER, key, Buffer.alloc(12), { authTagLength: TAG_BYTES });
      const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
      return [new Stanza(["scrypt", unpadded(salt), String(WORK_FACTOR)], body)];
    },
  };
}

/** Opens what {@link passphraseRecipient} or `age -p` made; null for any other file. */
export function passphraseIdentity(passphrase: string): Identity {
  return {
    async unwrapFileKey(stanzas) {
      const stanza = stanzas.find(({ args }) => args[0] === "scrypt");
      if (stanza === undefined) return null;
      const [, text = "", factor = "", ...more] = stanza.args;
      const salt = Buffer.from(text, "base64");
      // Node reads other texts as the same bytes; the specification allows one. Nor may there be another recipient.
      const isCanonical = salt.length === SALT_BYTES && unpadded(salt) === text;
      const isAlone = stanzas.length === 1 && more.length === 0;
      if (!isAlone || !isCanonical || !/^[1-9][0-9]?$/.test(factor)) {
        throw new Error("invalid scrypt stanza");
      }
      if (Number(factor) > WORK_FACTOR_LIMIT) throw new Error("scrypt work factor is too high");
      const key = await derive(passphrase, salt, Number(factor));
      return unwrap(Buffer.from(stanza.body), key);
    },
  };
}

function unwrap(body: Buffer, key: Buffer): Uint8Array | null {
  if (body.length !== 16 + TAG_BYTES) throw new Error("invalid scrypt stanza");
  const decipher = createDecipheriv(CIPHER, key, Buffer.alloc(12), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(body.subarray(16));
  const fileKey = decipher.update(body.subarray(0, 16));
  try {
    decipher.final();
    return fileKey;
  } catch {
    return null;
  }
}

function derive(passphrase: string, salt: Buffer, factor: number): Promise<Buffer> {
  const cost = { N: 2 ** factor, r: 8, p: 1, maxmem: 2 ** factor * 1024 + 64 * 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.concat([Buffer.from(LABEL), salt]), 32, cost, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
