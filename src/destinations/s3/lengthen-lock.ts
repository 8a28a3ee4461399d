import { UploadFailedError } from "../../core/errors.ts";
import type { TransferContext } from "../object-store.ts";
import type { S3Connection } from "./connection.ts";
import { lockUntil, type ObjectLock } from "./promises.ts";
import { failureKind } from "./server-error.ts";

/** An object, or one version of it. */
interface LockPlace {
  readonly bucket: string;
  readonly key: string;
  /** Undefined: the current one. */
  readonly version: string | undefined;
  readonly lock: ObjectLock;
}

/** So much longer than it must: what is made from it is sent afterwards, and that takes its time. */
const spareDays = 1;

/**
 * Makes the lock of an object hold at least as long as that of one which is written now, and looks whether it does. An object
 * that has a lock keeps its mode. One that is gone needs none.
 *
 * @throws UploadFailedError (class `no-lock`) if the server keeps the earlier end, and the server's errors.
 */
export async function lengthenLock(
  connection: S3Connection,
  place: LockPlace,
  context: TransferContext,
): Promise<void> {
  const { sdk, client, send } = connection;
  const { bucket, key, version, lock } = place;
  const which = {
    ...{ Bucket: bucket, Key: key },
    ...(version === undefined ? {} : { VersionId: version }),
  };
  const look = async () => {
    try {
      return await send(() => client.send(new sdk.HeadObjectCommand(which)), context);
    } catch (error) {
      if (failureKind(error) === "missing") return undefined;
      throw error;
    }
  };
  const until = lockUntil(lock, context.clock.now());
  const isEnough = (end: Date | undefined) => (end?.getTime() ?? 0) >= until.getTime();
  const before = await look();
  if (before === undefined || isEnough(before.ObjectLockRetainUntilDate)) return;
  const longer = lockUntil({ ...lock, days: lock.days + spareDays }, context.clock.now());
  const Retention = { Mode: before.ObjectLockMode ?? lock.mode, RetainUntilDate: longer };
  const command = new sdk.PutObjectRetentionCommand({ ...which, Retention });
  await send(() => client.send(command), context);
  if (isEnough((await look())?.ObjectLockRetainUntilDate)) return;
  throw new UploadFailedError(
    `the server did not lock ${key}, which was sent before, until ${until.toISOString().slice(0, 10)}`,
    {
      class: "no-lock",
      hint: "Let the credentials use s3:PutObjectRetention and s3:GetObjectRetention; or make a full backup (full: true), which needs nothing that was sent before.",
    },
  );
}
