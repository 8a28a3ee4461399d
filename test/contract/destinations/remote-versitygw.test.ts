// @module-tag exhaustive
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateBucketCommand, PutBucketPolicyCommand } from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { versitygwPath } from "../../lab/object-stores.ts";
import { run } from "../../lab/run.ts";
import { S3Proxy } from "../../lab/s3-proxy.ts";
import { remoteConformance, wireConformance } from "./remote-conformance.ts";
import { lockedConformance } from "./remote-locked.ts";
import { madeBackup, type Subject, shipmentOf, transferContext } from "./remote-subject.ts";
import { s3Remote, s3Subject, secondReader, testCredentials } from "./s3-subject.ts";
import { versitygwServed } from "./served.ts";

// A real server that keeps its promises.

remoteConformance("versitygw", versitygw);
wireConformance("versitygw", versitygw);

lockedConformance("versitygw", async () => {
  const served = await versitygwServed({ versions: true });
  const { AWS_ACCESS_KEY_ID: access, AWS_SECRET_ACCESS_KEY: secret } = testCredentials;
  const { endpoint } = served;
  const appender = { AWS_ACCESS_KEY_ID: "appender", AWS_SECRET_ACCESS_KEY: "appends-and-no-more" };
  const admin = ["admin", "--access", access, "--secret", secret, "--endpoint-url", endpoint];
  const user = ["--access", appender.AWS_ACCESS_KEY_ID, "--role", "user"];
  const password = ["--secret", appender.AWS_SECRET_ACCESS_KEY];
  await run([versitygwPath(), ...admin, "create-user", ...user, ...password]);
  const owner = secondReader(endpoint);
  const Bucket = "locked";
  await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  const policy = await readFile(
    join(import.meta.dirname, "../../../docs/off-host-policy.json"),
    "utf8",
  );
  const parsed = JSON.parse(policy.replaceAll("BUCKET", Bucket));
  // What a user of Amazon gets as their own policy is the bucket's here.
  for (const statement of parsed.Statement)
    statement.Principal = { AWS: [appender.AWS_ACCESS_KEY_ID] };
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(parsed) }));
  const remote = (as: typeof appender, prefix: string, days?: number) => {
    Object.assign(process.env, as, { AWS_EC2_METADATA_DISABLED: "true" });
    const lock = days === undefined ? undefined : ({ mode: "COMPLIANCE", days } as const);
    return s3Remote({
      endpoint,
      address: { bucket: Bucket, prefix },
      partBytes: 5 * 2 ** 20,
      lock,
    });
  };
  return {
    bucket: Bucket,
    owner: (prefix, days) => remote(testCredentials, prefix, days),
    appendOnly: (prefix) => remote(appender, prefix),
    thief: secondReader(endpoint, appender),
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  };
});

async function versitygw(): Promise<Subject> {
  const served = await versitygwServed();
  return s3Subject(served.endpoint, "bucket", {
    partMebibytes: 5,
    damage: async (prefix, key) => {
      await using file = await open(join(served.root, "data", "bucket", prefix, key), "r+");
      const { size } = await file.stat();
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, size >> 1);
      byte[0] = (byte[0] ?? 0) ^ 1;
      await file.write(byte, 0, 1, size >> 1);
    },
    [Symbol.asyncDispose]: () => served[Symbol.asyncDispose](),
  });
}

it("a server that is killed at any of twenty requests: the same bytes, and no part twice that was there", async () => {
  await using served = await versitygwServed();
  await using proxy = await S3Proxy.before(served.endpoint);
  Object.assign(process.env, testCredentials);
  const address = { bucket: "bucket", prefix: "p" };
  for (let instant = 1; instant <= 20; instant += 1) {
    await using backup = await madeBackup(21);
    let count = 0;
    let again: Promise<void> | undefined;
    proxy.fault = () => {
      count += 1;
      if (count !== instant) return undefined;
      again = served.kill().then(() => served.start());
      return undefined;
    };
    const remote = s3Remote({ endpoint: proxy.endpoint, address, partBytes: 5 * 2 ** 20 });
    const tools = { ...transferContext(), clock: systemClock };
    await remote.deliver(await shipmentOf(backup), tools);
    await again;
    proxy.fault = () => undefined;
    const { files } = await remote.open("stack", backup.id, tools);
    for (const file of files) expect(await remote.check(file, tools), `${instant}`).toBe(true);
    const parts = proxy.answered.filter((one) => /^200 PUT .*partNumber=/.test(one));
    const numbers = parts.map((one) => Number(/partNumber=(\d+)/.exec(one)?.[1]));
    expect(
      numbers.toSorted((a, b) => a - b),
      `${instant}`,
    ).toEqual([1, 2, 3, 4, 5]);
    proxy.answered.length = 0;
  }
}, 600_000);
