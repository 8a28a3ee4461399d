import { UploadFailedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import type { TransferContext } from "../object-store.ts";
import { FileDigest, laneCount, type Part, partSize, readFully } from "./file-parts.ts";
import {
  lockMembers,
  type OpenFile,
  type PutPlace,
  payload,
  requireSame,
  writeOnce,
} from "./place.ts";
import { failureKind } from "./server-error.ts";

/** A part that is there. */
interface SentPart {
  readonly number: number;
  readonly bytes: number;
  readonly etag: string;
  /** Base64; undefined if the server tells none. */
  readonly sha256: string | undefined;
}

interface Upload {
  readonly id: string;
  readonly sent: ReadonlyMap<number, SentPart>;
}

/**
 * Sends a file in parts. An upload that was interrupted is continued: parts that are there with the size and digest of
 * ours are not sent again.
 */
export async function sendParts(
  place: PutPlace,
  open: OpenFile,
  context: TransferContext,
): Promise<FileDigest> {
  const earlier = await findUpload(place, context);
  if (earlier !== undefined) {
    const count = earlier.sent.size;
    context.reporter.info(`${place.key}: continuing an upload, ${count} parts are there`);
    try {
      return await transfer(place, earlier, open, context);
    } catch (error) {
      // What was begun in another way cannot be completed in ours. Begin again, once.
      if (failureKind(error) !== "other" || error instanceof UploadFailedError) throw error;
      await abort(place, earlier.id);
    }
  }
  return await transfer(place, await createUpload(place, context), open, context);
}

async function transfer(
  place: PutPlace,
  upload: Upload,
  open: OpenFile,
  context: TransferContext,
): Promise<FileDigest> {
  const digest = new FileDigest();
  const sent = await sendMissing(place, upload, open, digest, context);
  try {
    requireSame(open, digest);
  } catch (error) {
    await abort(place, upload.id);
    throw error;
  }
  const { connection, bucket, key, promises } = place;
  const { sdk, client, send } = connection;
  const Parts = sent
    .toSorted((a, b) => a.number - b.number)
    .map(({ number, etag, sha256 }) => ({
      PartNumber: number,
      ETag: etag,
      ...(promises.proof === "sha256" && sha256 !== undefined ? { ChecksumSHA256: sha256 } : {}),
    }));
  const about = { Bucket: bucket, Key: key, UploadId: upload.id, MultipartUpload: { Parts } };
  await send(
    () => client.send(new sdk.CompleteMultipartUploadCommand({ ...about, ...writeOnce(promises) })),
    context,
  );
  return digest;
}

/** Reads the file once, in order, and sends what is missing on a few lanes at once, each with a buffer of its own. */
async function sendMissing(
  place: PutPlace,
  upload: Upload,
  { handle, size, file }: OpenFile,
  digest: FileDigest,
  context: TransferContext,
): Promise<SentPart[]> {
  const bytes = partSize(size, place.partBytes);
  const free = Array.from({ length: laneCount(bytes) }, () => Buffer.allocUnsafe(bytes));
  const lanes = new Set<Promise<void>>();
  const done: SentPart[] = [];
  const failures: unknown[] = [];
  let sentBytes = 0;
  for (let at = 0; at < size && failures.length === 0; at += bytes) {
    while (free.length === 0) await Promise.race(lanes);
    const buffer = free.pop() as Buffer<ArrayBuffer>;
    const read = await readFully(handle, buffer.subarray(0, size - at), at);
    const content = buffer.subarray(0, read);
    const part = digest.add(content, place.promises.proof !== "sha256");
    const there = upload.sent.get(part.number);
    if (there !== undefined && isSame(there, part)) {
      done.push(there);
      free.push(buffer);
      continue;
    }
    const lane = sendPart(place, upload.id, part, content, context)
      .then((one) => {
        done.push(one);
        sentBytes += read;
        const name = file.path.split("/").at(-1) ?? file.path;
        context.reporter.progress(name, { bytes: sentBytes, of: size });
      })
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => {
        free.push(buffer);
        lanes.delete(lane);
      });
    lanes.add(lane);
  }
  await Promise.all(lanes);
  if (failures.length > 0) throw failures[0];
  context.reporter.debug(`${place.key}: sent ${formatBytes(sentBytes)} of ${formatBytes(size)}`);
  return done;
}

async function sendPart(
  place: PutPlace,
  uploadId: string,
  part: Part,
  content: Buffer,
  context: TransferContext,
): Promise<SentPart> {
  const { connection, bucket, key, promises } = place;
  const { sdk, client, send } = connection;
  const sha256 = part.sha256.toString("base64");
  const { ETag = "" } = await send(() => {
    const command = new sdk.UploadPartCommand({
      ...{ Bucket: bucket, Key: key, UploadId: uploadId, PartNumber: part.number },
      ContentLength: content.length,
      Body: payload(place, content, part.sha256, context),
      ...(promises.proof === "sha256" ? { ChecksumSHA256: sha256 } : {}),
    });
    return client.send(command, { abortSignal: context.signal });
  }, context);
  return { number: part.number, bytes: part.bytes, etag: ETag, sha256 };
}

/** Whether a part that is there is ours. Without a digest that can be compared it is sent again. */
function isSame(there: SentPart, part: Part): boolean {
  if (there.bytes !== part.bytes) return false;
  if (there.sha256 !== undefined) return there.sha256 === part.sha256.toString("base64");
  const md5 = part.md5.toString("hex");
  return md5 !== "" && there.etag.replaceAll('"', "") === md5;
}

async function createUpload(place: PutPlace, context: TransferContext): Promise<Upload> {
  const { connection, bucket, key, promises, lock } = place;
  const { sdk, client, send } = connection;
  const about = { Bucket: bucket, Key: key, ...lockMembers(lock, context) };
  const checksum = promises.proof === "sha256" ? { ChecksumAlgorithm: "SHA256" as const } : {};
  const { UploadId = "" } = await send(
    () => client.send(new sdk.CreateMultipartUploadCommand({ ...about, ...checksum })),
    context,
  );
  return { id: UploadId, sent: new Map() };
}

/**
 * An upload of this key that was not completed, with its parts: the newest on the first page of a thousand, which is the same
 * one whenever it is looked for.
 */
async function findUpload(place: PutPlace, context: TransferContext): Promise<Upload | undefined> {
  const { connection, bucket, key } = place;
  const { sdk, client, send } = connection;
  try {
    const { Uploads = [] } = await send(
      () => client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key })),
      context,
    );
    const [newest] = Uploads.filter(({ Key }) => Key === key).toSorted(
      (a, b) => (b.Initiated?.getTime() ?? 0) - (a.Initiated?.getTime() ?? 0),
    );
    const id = newest?.UploadId;
    return id === undefined ? undefined : { id, sent: await listParts(place, id, context) };
  } catch (error) {
    // Without a list everything is sent again.
    if (["unsupported", "denied", "missing", "gone"].includes(failureKind(error))) return undefined;
    throw error;
  }
}

async function listParts(
  { connection, bucket, key }: PutPlace,
  uploadId: string,
  context: TransferContext,
): Promise<Map<number, SentPart>> {
  const { sdk, client, send } = connection;
  const parts = new Map<number, SentPart>();
  const about = { Bucket: bucket, Key: key, UploadId: uploadId };
  for (let marker: string | undefined; ; ) {
    const from = marker === undefined ? {} : { PartNumberMarker: marker };
    const page = await send(
      () => client.send(new sdk.ListPartsCommand({ ...about, ...from })),
      context,
    );
    for (const { PartNumber = 0, Size = -1, ETag = "", ChecksumSHA256 } of page.Parts ?? []) {
      const part = { number: PartNumber, bytes: Size, etag: ETag, sha256: ChecksumSHA256 };
      parts.set(PartNumber, part);
    }
    marker = page.NextPartNumberMarker;
    if (page.IsTruncated !== true || marker === undefined) return parts;
  }
}

/** Frees the space of the parts. Append-only credentials may not: then a rule of the bucket does. */
async function abort({ connection, bucket, key }: PutPlace, id: string): Promise<void> {
  const { sdk, client } = connection;
  const about = { Bucket: bucket, Key: key, UploadId: id };
  await client.send(new sdk.AbortMultipartUploadCommand(about)).catch(() => undefined);
}
