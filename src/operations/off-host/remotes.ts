import { join } from "node:path";
import { parseRcloneAddress } from "../../destinations/rclone-address.ts";
import { RcloneStore } from "../../destinations/rclone-store.ts";
import { Remote } from "../../destinations/remote.ts";
import { parseS3Address } from "../../destinations/s3/s3-address.ts";
import { S3Store } from "../../destinations/s3/s3-store.ts";
import type { Options } from "../../options/parse.ts";

/** How long a transfer may stand still before it is begun again, in milliseconds. */
const stallMs = 60_000;

/** The options of all destinations that are reached from here. */
type RemoteOptions = Pick<
  Options,
  | "uploadEndpoint"
  | "uploadRegion"
  | "uploadPathStyle"
  | "uploadRetryMs"
  | "uploadLimit"
  | "uploadLock"
  | "uploadLockDays"
>;

/** Whether a text names a place off this host. */
export function isRemoteAddress(text: string): boolean {
  return /^(s3:\/\/|rclone:)/.test(text);
}

/**
 * The destination at an address. Nothing is asked of it yet.
 *
 * @param input - the input with the address, for messages
 * @param memory - a directory for what is known of servers
 * @throws RefusedError for an address of another form.
 */
export function remoteAt(
  input: string,
  address: string,
  options: RemoteOptions,
  memory?: string,
): Remote {
  if (address.startsWith("rclone:")) {
    const { uploadLimit: limit, uploadRetryMs: retryForMs } = options;
    return new Remote(
      new RcloneStore({ place: parseRcloneAddress(input, address), limit, retryForMs }),
    );
  }
  const { uploadLock, uploadLockDays } = options;
  const hasLock = uploadLock !== undefined && uploadLockDays !== undefined;
  const mode = uploadLock === "compliance" ? "COMPLIANCE" : "GOVERNANCE";
  const store = new S3Store({
    address: parseS3Address(input, address),
    endpoint: options.uploadEndpoint,
    region: options.uploadRegion,
    pathStyle: options.uploadPathStyle,
    retryForMs: options.uploadRetryMs,
    stallMs,
    limit: options.uploadLimit,
    lock: hasLock ? { mode, days: uploadLockDays } : undefined,
    partBytes: undefined,
    memory: memory === undefined ? undefined : join(memory, "servers"),
  });
  return new Remote(store);
}
