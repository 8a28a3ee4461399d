import { createHash } from "node:crypto";
import { UploadFailedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { openRegularFile } from "../../core/regular-file.ts";
import type { LocalFile, StoredFile, TransferContext } from "../object-store.ts";
import { FileDigest, partSize, readFully } from "./file-parts.ts";
import { lengthenLock } from "./lengthen-lock.ts";
import { sendParts } from "./multipart.ts";
import {
  lockMembers,
  type OpenFile,
  type PutPlace,
  payload,
  requireSame,
  writeOnce,
} from "./place.ts";
import { lockUntil } from "./promises.ts";
import { type Found, head, prove } from "./prove.ts";
import { failureKind } from "./server-error.ts";

/** Two writers of the same key, or a lost answer: each ends with a look at what is there. */
const attempts = 3;

/** See `ObjectStore.putFile`. */
export async function putFile(
  place: PutPlace,
  file: LocalFile,
  context: TransferContext,
): Promise<StoredFile> {
  await using handle = await openRegularFile(file.path);
  const { size } = await handle.stat();
  const isMultipart = size > partSize(size, place.partBytes);
  const begun = context.clock.now();
  for (let attempt = 1; ; attempt += 1) {
    const there = await head(place, context);
    if (there !== undefined) {
      const stored = await compare(place, there, { handle, size, file }, context);
      await keepLocked(place, there, begun, context);
      return stored;
    }
    try {
      const digest = await (isMultipart ? sendParts : putWhole)(
        place,
        { handle, size, file },
        context,
      );
      return await proveOwn(place, digest, begun, context);
    } catch (error) {
      // Another writer was first, or the answer to an earlier attempt was lost.
      const isThere = ["exists", "gone"].includes(failureKind(error));
      if (!isThere || attempt === attempts) throw error;
    }
  }
}

/** See `ObjectStore.putText`. */
export async function putText(
  place: PutPlace,
  text: string,
  context: TransferContext,
): Promise<void> {
  const { connection, bucket, key } = place;
  const begun = context.clock.now();
  let there = await head(place, context);
  if (there === undefined) {
    try {
      await put(place, Buffer.from(text), context);
    } catch (error) {
      if (failureKind(error) !== "exists") throw error;
      there = await head(place, context);
    }
  }
  const { sdk, client, send } = connection;
  const found = await send(async () => {
    const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key }));
    return (await Body?.transformToString("utf8")) ?? "";
  }, context);
  if (found !== text) throw differs(key);
  if (there !== undefined) await keepLocked(place, there, begun, context);
}

/** What was sent before, or begun, has the lock that was wanted then. */
async function keepLocked(
  { connection, bucket, key, lock }: PutPlace,
  { lockedUntil }: Found,
  begun: Date,
  context: TransferContext,
): Promise<void> {
  if (lock === undefined || (lockedUntil ?? 0) >= lockUntil(lock, begun)) return;
  await lengthenLock(connection, { bucket, key, version: undefined, lock }, context);
}

/** Sends a small file in one request. */
async function putWhole(
  place: PutPlace,
  open: OpenFile,
  context: TransferContext,
): Promise<FileDigest> {
  const body = Buffer.allocUnsafe(open.size);
  const digest = new FileDigest();
  digest.add(body.subarray(0, await readFully(open.handle, body, 0)), true);
  requireSame(open, digest);
  await put(place, body, context);
  return digest;
}

async function put(place: PutPlace, body: Buffer, context: TransferContext): Promise<void> {
  const { connection, bucket, key, promises, lock } = place;
  const { sdk, client, send } = connection;
  const sha256 = createHash("sha256").update(body).digest();
  await send(() => {
    const command = new sdk.PutObjectCommand({
      ...{ Bucket: bucket, Key: key, ContentLength: body.length },
      Body: payload(place, body, sha256, context),
      ...writeOnce(promises),
      ...(promises.proof === "sha256" || lock !== undefined
        ? { ChecksumSHA256: sha256.toString("base64") }
        : {}),
      ...lockMembers(lock, context),
    });
    return client.send(command, { abortSignal: context.signal });
  }, context);
}

/** Whether what is there already is this file. */
async function compare(
  place: PutPlace,
  there: Found,
  open: OpenFile,
  context: TransferContext,
): Promise<StoredFile> {
  if (there.bytes !== open.size) throw differs(place.key);
  const bytes = partSize(open.size, place.partBytes);
  const buffer = Buffer.allocUnsafe(Math.min(bytes, open.size));
  const digest = new FileDigest();
  for (let at = 0; at < open.size || at === 0; at += bytes) {
    context.signal.throwIfAborted();
    const read = await readFully(open.handle, buffer.subarray(0, open.size - at), at);
    digest.add(buffer.subarray(0, read), true);
  }
  requireSame(open, digest);
  const proof = await prove(place, there, digest, context);
  if (proof === undefined) throw differs(place.key);
  return { bytes: digest.bytes, sha256: digest.sha256, proof };
}

/** What was just sent must be there. An object that is something else is taken back: it would be in the way for ever. */
async function proveOwn(
  place: PutPlace,
  digest: FileDigest,
  begun: Date,
  context: TransferContext,
): Promise<StoredFile> {
  const there = await head(place, context);
  const proof =
    there?.bytes === digest.bytes ? await prove(place, there, digest, context) : undefined;
  if (there !== undefined && proof !== undefined) {
    await keepLocked(place, there, begun, context);
    return { bytes: digest.bytes, sha256: digest.sha256, proof };
  }
  const { sdk, client } = place.connection;
  const removing = new sdk.DeleteObjectCommand({ Bucket: place.bucket, Key: place.key });
  await client.send(removing).catch(() => undefined);
  throw new UploadFailedError(
    there === undefined
      ? `${place.key} is not there after it was uploaded`
      : `${place.key} is not what was sent: ${formatBytes(digest.bytes)} were sent, ${formatBytes(there.bytes)} are there`,
    { class: "upload-differs" },
  );
}

function differs(key: string): UploadFailedError {
  return new UploadFailedError(`${key} is already there with other content`, {
    class: "upload-differs",
    hint: "Nothing was overwritten. Find out who wrote it, or give another upload-to.",
  });
}
