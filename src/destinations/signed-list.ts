import { buffer } from "node:stream/consumers";
import { DamagedError, UploadFailedError } from "../core/errors.ts";
import { type SignKey, signerOf, signText } from "../core/ssh-signature.ts";
import { checksumsFile, checksumsSignatureFile } from "./checksums-file.ts";
import type { ObjectStore, StoredObject, TransferContext } from "./object-store.ts";

const textLimitBytes = 16 * 2 ** 20;
/** Whoever may only add can add as many as they like. The oldest are those that count. */
const versionsRead = 8;

/** Who signed a list: a public key as in an `.pub` file. `not of this list`: a signature lies beside it and is of another. */
export type ListSigner = { readonly publicKey: string } | "nobody" | "not of this list";

/** A `SHA256SUMS` as it lies at the destination. */
interface SignedList {
  readonly text: string;
  readonly signer: ListSigner;
}

/**
 * Reads the list that counts among all versions of it: the oldest one that a trusted key has signed, else the oldest one.
 * Whoever may only add cannot change it.
 *
 * @param objects - every version of every file of the backup, the oldest first
 * @returns undefined if there is no list.
 * @throws DamagedError for one that is too large, UnverifiableError if it cannot be read.
 */
export async function readSignedList(
  store: ObjectStore,
  folder: string,
  objects: readonly StoredObject[],
  trusted: readonly string[],
  context: TransferContext,
): Promise<SignedList | undefined> {
  const named = (file: string) =>
    objects.filter(({ key }) => key === folder + file).slice(0, versionsRead);
  const signatures = await textsOf(store, named(checksumsSignatureFile), context);
  let oldest: SignedList | undefined;
  for (const object of named(checksumsFile)) {
    const text = await textOf(store, object, context);
    const keys = signatures.flatMap((signature) => keyOf(text, signature) ?? []);
    const publicKey = keys.find((key) => trusted.includes(key)) ?? keys[0];
    const unsigned = signatures.length === 0 ? "nobody" : "not of this list";
    const found = { text, signer: publicKey === undefined ? unsigned : { publicKey } } as const;
    if (publicKey !== undefined && trusted.includes(publicKey)) return found;
    oldest ??= found;
  }
  return oldest;
}

/**
 * Stores the signature of a list. One that is there already stays if it is of the same list: another user of this host, or an
 * earlier key, has sent the same backup.
 *
 * @throws UploadFailedError (class `upload-differs`) if it is of another list.
 */
export async function putSignature(
  store: ObjectStore,
  folder: string,
  text: string,
  signer: SignKey,
  context: TransferContext,
): Promise<void> {
  const key = folder + checksumsSignatureFile;
  try {
    await store.putText(key, signText(text, signer), context);
  } catch (error) {
    if (!(error instanceof UploadFailedError) || error.class !== "upload-differs") throw error;
    const there = (await store.list(folder, context)).filter((one) => one.key === key);
    const [signature = ""] = await textsOf(store, there, context);
    if (keyOf(text, signature) === undefined) throw error;
  }
}

async function textsOf(
  store: ObjectStore,
  objects: readonly StoredObject[],
  context: TransferContext,
): Promise<string[]> {
  const texts: string[] = [];
  for (const object of objects) texts.push(await textOf(store, object, context));
  return texts;
}

async function textOf(
  store: ObjectStore,
  object: StoredObject,
  context: TransferContext,
): Promise<string> {
  if (object.bytes > textLimitBytes) throw new DamagedError(`${object.key} is too large`);
  return (await buffer(store.read(object, 0, context))).toString("utf8");
}

/** The key that signed a text; undefined if the signature is not of it. */
function keyOf(text: string, signature: string): string | undefined {
  try {
    return signerOf(text, signature);
  } catch {
    return undefined;
  }
}
