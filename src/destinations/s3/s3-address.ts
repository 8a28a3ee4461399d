import { RefusedError } from "../../core/errors.ts";
import { withoutUserInfo } from "../../core/secrets.ts";

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
  const odd = parts.find((part) => !/^[\w.!*'()=+-]+$/.test(part) || /^\.+$/.test(part));
  const isBucket = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket);
  if (isBucket && odd === undefined) return { bucket, prefix: parts.join("/") };
  const why = isBucket
    ? `the prefix has the part "${odd}": use letters of ASCII, digits and _.!*'()=+-`
    : "no bucket is called that: small letters of ASCII, digits, dots and hyphens";
  const shown = withoutUserInfo(text).slice(0, 200);
  throw new RefusedError(`${input} is "${shown}": write s3://BUCKET/PREFIX (${why})`, {
    class: "input",
  });
}

/** How an address is written. */
export function formatS3Address({ bucket, prefix }: S3Address): string {
  return prefix === "" ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}
