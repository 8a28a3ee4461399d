import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Remote } from "../../../src/destinations/remote.ts";
import { S3Store } from "../../../src/destinations/s3/s3-store.ts";
import type { S3Options, Subject } from "./remote-subject.ts";

/** The credentials of every server that the tests start. */
export const testCredentials = {
  AWS_ACCESS_KEY_ID: "sophonkeepertest",
  AWS_SECRET_ACCESS_KEY: "not-a-secret-of-anybody",
};

/** A bucket of a server on this host as a subject. */
export function s3Subject(
  endpoint: string,
  bucket: string,
  more: Pick<Subject, "damage" | "partMebibytes"> & AsyncDisposable,
): Subject {
  Object.assign(process.env, testCredentials, { AWS_EC2_METADATA_DISABLED: "true" });
  const reader = secondReader(endpoint);
  return {
    ...more,
    endpoint,
    remote: (prefix, options) =>
      s3Remote({
        ...{ endpoint, address: { bucket, prefix }, partBytes: more.partMebibytes * 2 ** 20 },
        ...options,
      }),
    content: async (prefix, key) => {
      const asked = new GetObjectCommand({ Bucket: bucket, Key: `${prefix}/${key}` });
      const { Body } = await reader.send(asked).catch(() => ({ Body: undefined }));
      return Body === undefined ? undefined : Buffer.from(await Body.transformToByteArray());
    },
  };
}

/** A remote in a bucket, with what a person would give. */
export function s3Remote(options: Partial<S3Options> & Pick<S3Options, "address">): Remote {
  return new Remote(
    new S3Store({
      ...{ endpoint: undefined, region: "us-east-1", pathStyle: true, retryForMs: 600_000 },
      ...{
        stallMs: 30_000,
        limit: undefined,
        lock: undefined,
        partBytes: undefined,
        memory: undefined,
      },
      ...options,
    }),
  );
}

/** A client that is not the one under test. */
export function secondReader(endpoint: string, as = testCredentials): S3Client {
  const credentials = {
    accessKeyId: as.AWS_ACCESS_KEY_ID,
    secretAccessKey: as.AWS_SECRET_ACCESS_KEY,
  };
  return new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
}
