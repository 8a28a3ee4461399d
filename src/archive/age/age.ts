import { type KeyObject, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { Decrypter, Encrypter } from "age-encryption";
import { DamagedError, RefusedError, UnverifiableError } from "../../core/errors.ts";
import { ByteReader } from "../io/byte-reader.ts";
import type { OpenedHead } from "./decrypt-thread.ts";
import type { Identities, Recipients } from "./keys.ts";
import { passphraseIdentity, passphraseRecipient } from "./passphrase.ts";
import { NONCE_BYTES, openPayload, payloadKey, sealPayload } from "./payload.ts";

/** Much larger than any real header. Limits what is read into memory from a file that is not age. */
const HEADER_LIMIT_BYTES = 64 * 1024;
const INTRODUCTION = "age-encryption.org/v1\n";

/** An encrypted empty payload: its nonce and the tag of its only chunk. */
const EMPTY_PAYLOAD_BYTES = NONCE_BYTES + 16;

/**
 * Encrypts a stream as one age v1 file that every recipient can decrypt, also with the `age` tool.
 *
 * The age-encryption package creates the header and handles all keys; node:crypto encrypts the payload. Usable as a stage of `stream.pipeline`.
 *
 * @throws RefusedError if there is no recipient: the package would create a file that nobody can decrypt.
 */
export function encryptStream(
  recipients: Recipients,
): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Buffer> {
  return async function* encrypt(source) {
    const { head, key } = await beginFile(recipients);
    yield head;
    yield* sealPayload(source, key);
  };
}

/**
 * The header of a new age file, and the key of its payload.
 *
 * @throws RefusedError when there is no recipient.
 */
export async function beginFile(recipients: Recipients): Promise<{ head: Buffer; key: KeyObject }> {
  const { header, fileKey } = await makeHeader(recipients);
  const nonce = randomBytes(NONCE_BYTES);
  return { head: Buffer.concat([header, nonce]), key: payloadKey(fileKey, nonce) };
}

/**
 * Decrypts one age v1 file to its authenticated end.
 *
 * Chunks are delivered before the end is authenticated: do not act on them until the stream has ended without an error.
 *
 * @throws {@link DamagedError} for a changed, cut or continued file,
 * {@link UnverifiableError} (class `no-identity`) when none of the identities opens it.
 */
export function decryptStream(
  identities: Identities,
): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Buffer> {
  return async function* decrypt(source) {
    const reader = new ByteReader(source);
    try {
      const { key } = await openHead(reader, identities);
      yield* openPayload(reader, key);
    } finally {
      await reader.close();
    }
  };
}

/** Reads the header of an age file. Throws like {@link decryptStream}. */
export async function openHead(reader: ByteReader, identities: Identities): Promise<OpenedHead> {
  const header = await readHeader(reader);
  const fileKey = await openHeader(header, identities);
  const nonce = await reader.upTo(NONCE_BYTES);
  return { key: payloadKey(fileKey, nonce), headBytes: header.length + nonce.length };
}

async function makeHeader(
  recipients: Recipients,
): Promise<{ header: Uint8Array; fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  if ("passphrase" in recipients) {
    encrypter.addRecipient(passphraseRecipient(recipients.passphrase));
  } else {
    if (recipients.recipients.length === 0) throw new RefusedError("no recipient to encrypt to");
    for (const recipient of recipients.recipients) encrypter.addRecipient(recipient);
  }
  let fileKey: Uint8Array | undefined;
  // The package only reveals the file key to a recipient, so add one that writes no stanza.
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = Uint8Array.from(key);
      return [];
    },
  });
  // A stream, because the package takes bytes through fetch's Response, which is slow to load.
  const parts = await encrypter.encrypt(new Blob([]).stream());
  const empty = await buffer(parts);
  if (fileKey === undefined) throw new Error("the age header was made without a file key");
  return { header: empty.subarray(0, empty.length - EMPTY_PAYLOAD_BYTES), fileKey };
}

async function readHeader(reader: ByteReader): Promise<Buffer> {
  const parts: Buffer[] = [await reader.upTo(INTRODUCTION.length)];
  if (parts[0]?.toString("latin1") !== INTRODUCTION) {
    throw new DamagedError("this is not an age file");
  }
  let line = "";
  let size = INTRODUCTION.length;
  while (!(line.startsWith("--- ") && line.endsWith("\n"))) {
    if (line.endsWith("\n")) line = "";
    const byte = await reader.upTo(1);
    if (byte.length === 0 || ++size > HEADER_LIMIT_BYTES) {
      throw new DamagedError("the age header has no end");
    }
    parts.push(byte);
    line += byte.toString("latin1");
  }
  return Buffer.concat(parts);
}

async function openHeader(header: Buffer, identities: Identities): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of identities.identities ?? []) decrypter.addIdentity(identity);
  if (identities.passphrase !== undefined) {
    decrypter.addIdentity(passphraseIdentity(identities.passphrase));
  }
  try {
    return await decrypter.decryptHeader(header);
  } catch (cause) {
    // The package distinguishes its errors only by their text.
    if (cause instanceof Error && cause.message.startsWith("no identity matched")) {
      throw new UnverifiableError("none of the given identities opens this file", {
        cause,
        class: "no-identity",
        hint: "give the identity of one of the recipients that the backup was encrypted to",
      });
    }
    throw new DamagedError("the age header is damaged", { cause });
  }
}
