import { RefusedError } from "../../core/errors.ts";

/** A place in a bucket. */
export interface S3Address {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the bucket itself. */
  readonly prefix: string;
}

/**
 * Parses `s3://BUCKET/PREFIX`.
 *
 * @param input - the input that it comes from, for messages
 * @throws RefusedError that says what to write.
 */
export function parseS3Address(input: string, text: string): S3Address {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(text) ?? [];
  const parts = path.split("/").filter((part) => part !== "");
  const isGood =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) &&
    parts.every((part) => /^[\w.!*'()=+-]+$/.test(part) && !/^\.+$/.test(part));
  if (isGood) return { bucket, prefix: parts.join("/") };
  throw new RefusedError(`${input} is "${shown(text)}": write s3://BUCKET/PREFIX`, {
    class: "input",
  });
}

/** How an address is written. */
export function formatS3Address({ bucket, prefix }: S3Address): string {
  return prefix === "" ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}

/** Whoever writes credentials into the address must not find them in a log. */
function shown(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//***@").slice(0, 200);
}
