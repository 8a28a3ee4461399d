// @module-tag exhaustive

import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { sealedRepository } from "../cli/sealed-repository.ts";
import { secondReader, testCredentials } from "../contract/destinations/s3-subject.ts";
import { versitygwServed } from "../contract/destinations/served.ts";
import { keeper } from "./support/keeper.ts";

// Retention in a bucket of a real server with versions and object lock.

it.each(["compliance", "governance"])(
  "removes nothing that a %s lock holds, which is no failure, and what was not locked goes",
  async (mode) => {
    await using made = await sealedRepository();
    await using server = await versitygwServed({ versions: true });
    const Bucket = "locked";
    const owner = secondReader(server.endpoint);
    await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    const where = [
      ...["--repository", made.repository.path, "--project-name", "stack"],
      ...["--upload-to", `s3://${Bucket}/off/site`, "--upload-endpoint", server.endpoint],
      ...["--upload-path-style", "--sign-key", made.signKey],
    ];
    const env = { ...testCredentials, AWS_EC2_METADATA_DISABLED: "true" };
    const send = async (id: string, ...lock: string[]) => {
      const sent = await keeper(["upload", "--backup", id, ...withoutName(where), ...lock], {
        env,
      });
      expect(sent.result, sent.stderr).toMatchObject({ result: "uploaded" });
    };
    const free = await made.add("2026-03-01");
    const held = await made.add("2026-03-02");
    const newest = await made.add("2026-03-03");
    await send(free);
    for (const id of [held, newest]) {
      await send(id, "--upload-lock", mode, "--upload-lock-days", "2");
    }
    const prune = ["prune", ...withoutKey(where), "--remote-keep-last", "1"];
    for (const removed of [[free], []]) {
      const pruned = await keeper(prune, { env });
      expect(pruned.code, pruned.stderr).toBe(0);
      expect(pruned.result).toMatchObject({
        result: "pruned",
        remotes: [{ to: `s3://${Bucket}/off/site`, kept: [newest, held], removed }],
      });
      expect(pruned.stderr).toMatch(new RegExp(`keep ${held}: locked until \\d{4}-\\d\\d-\\d\\d`));
    }
    for (const id of [held, newest]) {
      const address = `s3://${Bucket}/off/site/stack/${id}`;
      const verify = ["verify", "--level", "checksum", "--backup", address];
      const reach = ["--upload-endpoint", server.endpoint, "--upload-path-style"];
      const read = await keeper([...verify, ...reach], { env });
      expect(read.result, read.stderr).toMatchObject({ result: "verified" });
    }
  },
);

function withoutName(flags: readonly string[]): string[] {
  return without(flags, "--project-name");
}

function withoutKey(flags: readonly string[]): string[] {
  return without(flags, "--sign-key");
}

function without(flags: readonly string[], name: string): string[] {
  const at = flags.indexOf(name);
  return flags.toSpliced(at, 2);
}
