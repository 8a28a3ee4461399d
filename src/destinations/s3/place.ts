import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { UploadFailedError } from "../../core/errors.ts";
import type { LocalFile, TransferContext } from "../object-store.ts";
import type { S3Connection } from "./connection.ts";
import type { FileDigest } from "./file-parts.ts";
import type { Pace } from "./pace.ts";
import { lockUntil, type ObjectLock, type ServerPromises } from "./promises.ts";

/** A key of a bucket, and how it is written. */
export interface PutPlace {
  readonly connection: S3Connection;
  readonly bucket: string;
  readonly key: string;
  readonly promises: ServerPromises;
  readonly lock: ObjectLock | undefined;
  readonly pace: Pace | undefined;
  /** The usual size of a part. */
  readonly partBytes: number;
}

/** A file that is open, and what it must hold. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly size: number;
  readonly file: LocalFile;
}

/** The header that keeps an existing object, where the server takes it. */
export function writeOnce({ keepsExisting }: ServerPromises): { IfNoneMatch?: "*" } {
  return keepsExisting === "refused" ? {} : { IfNoneMatch: "*" };
}

/** The headers of the object lock. */
export function lockMembers(lock: ObjectLock | undefined, { clock }: TransferContext) {
  return lock === undefined
    ? {}
    : { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: lockUntil(lock, clock.now()) };
}

/**
 * The body of a request. Its digest, which is known already, goes under the signature: the server must refuse any other
 * body.
 */
export function payload(
  { connection, pace }: PutPlace,
  content: Buffer,
  sha256: Buffer,
  context: TransferContext,
): Buffer | Readable {
  const body = pace === undefined ? content : pace.stream(content, context);
  connection.digests.set(body, sha256.toString("hex"));
  return body;
}

/** @throws UploadFailedError if the file is not what its manifest says: nothing of it may look like a backup. */
export function requireSame({ file, size }: OpenFile, digest: FileDigest): void {
  const isSame = file.sha256 === undefined || digest.sha256 === file.sha256;
  if (digest.bytes === size && isSame) return;
  throw new UploadFailedError(`${file.path} is not what its manifest says`, {
    class: "damaged",
    hint: "The backup on this host is damaged: run `sophon-keeper verify`, and make a new one.",
  });
}
