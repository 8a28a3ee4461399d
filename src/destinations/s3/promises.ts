import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UploadFailedError } from "../../core/errors.ts";
import { readRegularFile } from "../../core/regular-file.ts";
import type { Proof, TransferContext } from "../object-store.ts";
import type { S3Connection } from "./connection.ts";
import { failureKind } from "./server-error.ts";

/** What a server does, as opposed to what its answers say. */
export interface ServerPromises {
  /** How an object can be proven without reading it back; `read` if it cannot. */
  readonly proof: Proof;
  /** `If-None-Match: *` keeps an object from being overwritten. `refused`: the server does not take the header. */
  readonly keepsExisting: "yes" | "no" | "refused";
}

/** A lock that keeps objects from being removed before a time. */
export interface ObjectLock {
  readonly mode: "GOVERNANCE" | "COMPLIANCE";
  readonly days: number;
}

const limitBytes = 2 ** 16;
const dayMs = 24 * 60 * 60 * 1000;
/** Clocks of two computers differ a little. */
const clockToleranceMs = 60 * 60 * 1000;

/** When the lock of an object that is written now ends. */
export function lockUntil(lock: ObjectLock, now: Date): Date {
  const until = new Date(now.getTime() + lock.days * dayMs);
  until.setUTCMilliseconds(0);
  return until;
}

/**
 * What the server promises, by requests that it must refuse. Kept in a file for a day: a promise costs a few requests.
 *
 * @param file - where the answer is kept
 * @throws UploadFailedError (class `no-lock`) if a lock is wanted and the server keeps none.
 */
export async function serverPromises(
  connection: S3Connection,
  place: { readonly bucket: string; readonly prefix: string; readonly file: string | undefined },
  lock: ObjectLock | undefined,
  context: TransferContext,
): Promise<ServerPromises> {
  const known = await readKnown(place.file, lock, context);
  if (known !== undefined) return known;
  const promises = await probe(connection, place, lock, context);
  if (place.file !== undefined) {
    const text = { ...promises, lock: lock?.mode ?? null, at: context.clock.now().toISOString() };
    await mkdir(dirname(place.file), { recursive: true, mode: 0o700 });
    await writeFile(place.file, `${JSON.stringify(text)}\n`, { mode: 0o600 });
  }
  return promises;
}

async function readKnown(
  file: string | undefined,
  lock: ObjectLock | undefined,
  { clock }: TransferContext,
): Promise<ServerPromises | undefined> {
  if (file === undefined) return undefined;
  try {
    const {
      proof,
      keepsExisting,
      lock: locked,
      at,
    } = JSON.parse(await readRegularFile(file, limitBytes));
    const ageMs = clock.now().getTime() - Date.parse(at);
    const isFresh = ageMs >= 0 && ageMs < dayMs && (lock === undefined || locked === lock.mode);
    const isKnown = ["sha256", "etag", "read"].includes(proof);
    return isFresh && isKnown ? { proof, keepsExisting } : undefined;
  } catch {
    // Not there, or cut off by a full disk: the server is asked again.
    return undefined;
  }
}

async function probe(
  connection: S3Connection,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  lock: ObjectLock | undefined,
  context: TransferContext,
): Promise<ServerPromises> {
  const { sdk, client, send } = connection;
  const { clock, reporter } = context;
  const body = Buffer.from(`sophon-keeper ${clock.now().toISOString()}\n`);
  const folder = prefix === "" ? ".probe" : `${prefix}/.probe`;
  const key = `${folder}/${clock.now().toISOString().slice(0, 10)}-${randomBytes(4).toString("hex")}`;
  const put = (name: string, sha256: string | undefined, more: object) =>
    send(() => client.send(putCommand(name, sha256, more)), context, { isDigestFinal: true });
  const putCommand = (Key: string, sha256: string | undefined, more: object) =>
    new sdk.PutObjectCommand({
      ...{ Bucket: bucket, Key, Body: body, ContentLength: body.length, ...more },
      ...(sha256 === undefined ? {} : { ChecksumSHA256: sha256 }),
    });
  const right = createHash("sha256").update(body).digest("base64");
  const wrong = createHash("sha256").update("other").digest("base64");
  const made: string[] = [];
  try {
    const refusesWrong = await refuses(() => put(`${key}-wrong`, wrong, {}));
    if (refusesWrong === false) made.push(`${key}-wrong`);
    const locked = lock === undefined ? {} : lockMembers(lock, clock.now());
    // A server that knows no checksum at all refuses the right one, too.
    const takesRight = (await refuses(() => put(key, right, locked))) === false;
    if (!takesRight && (await refuses(() => put(key, undefined, locked))) !== false) {
      if (lock !== undefined) requireLock(lock, {}, clock.now());
      await put(key, undefined, {});
    }
    made.push(key);
    const head = await send(
      () =>
        client.send(
          new sdk.HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" }),
        ),
      context,
    );
    if (lock !== undefined) requireLock(lock, head, clock.now());
    const md5 = createHash("md5").update(body).digest("hex");
    const shows = takesRight && refusesWrong !== false && head.ChecksumSHA256 === right;
    const proof = shows ? "sha256" : head.ETag?.replaceAll('"', "") === md5 ? "etag" : "read";
    const again = await refuses(() => put(key, undefined, { IfNoneMatch: "*" }), true);
    const keepsExisting = again === false ? "no" : again === "exists" ? "yes" : "refused";
    if (keepsExisting !== "yes") {
      reporter.info("this server overwrites objects: each is looked for before it is written");
    }
    return { proof, keepsExisting };
  } finally {
    await clear(connection, bucket, made);
  }
}

/** Whether the server refuses a request. Credentials that are refused are no answer to what was asked. */
async function refuses(
  request: () => Promise<unknown>,
  isCondition = false,
): Promise<false | "exists" | "other"> {
  try {
    await request();
    return false;
  } catch (error) {
    const kind = failureKind(error);
    if (kind === "exists") return "exists";
    if (kind === "digest" || kind === "unsupported") return "other";
    const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
    if ($metadata?.httpStatusCode === 400 && (isCondition || kind === "other")) return "other";
    throw error;
  }
}

function lockMembers(lock: ObjectLock, now: Date): object {
  // A day is enough for the probe: nobody can remove it before.
  const until = lockUntil({ ...lock, days: 1 }, now);
  return { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: until };
}

function requireLock(
  lock: ObjectLock,
  head: {
    readonly ObjectLockMode?: string | undefined;
    readonly ObjectLockRetainUntilDate?: Date | undefined;
  },
  now: Date,
): void {
  const untilMs = head.ObjectLockRetainUntilDate?.getTime() ?? 0;
  const isKept = head.ObjectLockMode === lock.mode && untilMs > now.getTime() + clockToleranceMs;
  if (isKept) return;
  throw new UploadFailedError(
    `upload-lock is ${lock.mode.toLowerCase()}, but the server did not lock the object that was written to try it`,
    {
      class: "no-lock",
      hint: "Create the bucket with object lock, let the credentials use s3:PutObjectRetention and s3:GetObjectRetention, or leave upload-lock out.",
    },
  );
}

/** Append-only credentials may remove nothing: then a few bytes stay. */
async function clear({ sdk, client }: S3Connection, bucket: string, keys: string[]): Promise<void> {
  for (const Key of keys) {
    await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key })).catch(() => undefined);
  }
}
