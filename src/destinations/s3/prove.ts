import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { Proof, TransferContext } from "../object-store.ts";
import type { FileDigest } from "./file-parts.ts";
import type { PutPlace } from "./place.ts";
import { failureKind, NoS3Error } from "./server-error.ts";

/** What the server tells of an object. */
export interface Found {
  readonly bytes: number;
  readonly etag: string;
  /** Base64, with `-PARTS` for an object that was uploaded in parts; undefined if the server tells none. */
  readonly checksum: string | undefined;
  readonly isMultipart: boolean;
  /** Undefined: it is not locked, or the credentials may not see it. */
  readonly lockedUntil: Date | undefined;
}

/** What the server tells of a key; undefined if nothing is there. */
export async function head(place: PutPlace, context: TransferContext): Promise<Found | undefined> {
  const { connection, bucket, key } = place;
  const { sdk, client, send } = connection;
  try {
    const about = { Bucket: bucket, Key: key, ChecksumMode: "ENABLED" } as const;
    const found = await send(() => client.send(new sdk.HeadObjectCommand(about)), context);
    if (found.ETag === undefined) throw new NoS3Error();
    const etag = found.ETag.replaceAll('"', "");
    return {
      bytes: found.ContentLength ?? -1,
      etag,
      checksum: found.ChecksumSHA256,
      isMultipart: /-\d+$/.test(etag),
      lockedUntil: found.ObjectLockRetainUntilDate,
    };
  } catch (error) {
    const kind = failureKind(error);
    if (kind === "missing") return undefined;
    if (kind === "denied" || kind === "other") await askInWords(place, context);
    throw error;
  }
}

/**
 * Asks for the first byte: the answer to a HEAD has no body that could tell why it is refused.
 *
 * @throws the server's error, if this is refused, too.
 */
async function askInWords(
  { connection, bucket, key }: PutPlace,
  context: TransferContext,
): Promise<void> {
  const { sdk, client, send } = connection;
  const about = { Bucket: bucket, Key: key, Range: "bytes=0-0" };
  const { Body } = await send(() => client.send(new sdk.GetObjectCommand(about)), context);
  (Body as unknown as Readable).destroy();
}

/**
 * How it was shown that an object is the file that was read here; undefined if it is not. A digest of the server counts
 * only where the server was seen to compute it; else the object is read back.
 */
export async function prove(
  place: PutPlace,
  found: Found,
  digest: FileDigest,
  context: TransferContext,
): Promise<Proof | undefined> {
  const { proof } = place.promises;
  const isMultipart = found.isMultipart;
  const sameParts = !isMultipart || found.etag.endsWith(`-${digest.parts.length}`);
  if (proof === "sha256" && found.checksum !== undefined && sameParts) {
    // Some servers compute one digest of the whole object where S3 computes one of the parts' digests.
    const whole = digest.checksum(false);
    const told = [whole, ...(isMultipart ? [digest.checksum(true)] : [])];
    return told.includes(found.checksum) ? "sha256" : undefined;
  }
  const canTell = digest.parts.every(({ md5 }) => md5.length > 0) && sameParts;
  // A server that keeps no parts tells the MD5 of the whole, which is not known here for several parts.
  if (proof === "etag" && canTell && found.etag === digest.etag(isMultipart)) {
    return "etag";
  }
  return (await readBack(place, context)) === digest.sha256 ? "read" : undefined;
}

async function readBack(
  { connection, bucket, key }: PutPlace,
  context: TransferContext,
): Promise<string> {
  const { sdk, client, send } = connection;
  // Begun anew after an interruption: the hash of what was read before cannot be trusted to be of the same object.
  return await send(async () => {
    const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }), {
      abortSignal: context.signal,
    });
    const hash = createHash("sha256");
    for await (const chunk of Body as unknown as AsyncIterable<Uint8Array>) {
      context.signal.throwIfAborted();
      hash.update(chunk);
    }
    return hash.digest("hex");
  }, context);
}
