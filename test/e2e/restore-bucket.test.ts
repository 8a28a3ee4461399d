import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { S3Server } from "../lab/s3-server.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { partsOf, removeAll } from "./support/bare.ts";
import { ageKey, keeper, stackFlags } from "./support/keeper.ts";

/** A socket is in no backup; the password of the server's own role is hashed anew, with another salt. */
const ignore = [/agent\.sock: lost/, /postgres: role sophon: .*SCRAM-SHA-256/];

const env = {
  AWS_ACCESS_KEY_ID: "AKIDSOPHONKEEPERTEST",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

describe("a backup in a bucket", () => {
  const tiers = ["personal", "enterprise"] as const;
  cells(
    it,
    tiers,
    (tier) => tier === "personal",
  )(
    "brings the %s stack back on a bare host, by content, with nothing but the bucket and a key",
    async (tier) => {
      await using stack = await createStack({ tier, name: "restore-bucket" });
      await using server = await S3Server.start();
      const repository = join(stack.scratch, "repository");
      const at = stackFlags(stack, repository);
      const { identity, recipient } = await ageKey(stack);
      const bucket = [
        ...["--upload-endpoint", server.endpoint, "--upload-path-style", "--upload-retry", "1s"],
      ];
      const backup = ["backup", ...at, "--recipients", recipient, ...bucket];
      const upload = ["--upload", "s3", "--upload-to", "s3://bucket/off/site"];

      const large = await keeper([...backup, ...upload, "--upload-max-bytes", "1"], { env });
      expect(large.result, large.stderr).toMatchObject({ result: "backed-up" });
      expect(large.result.uploads).toBeUndefined();
      expect(large.result.warnings).toContainEqual(expect.stringContaining("was not uploaded"));
      expect(server.requests).toEqual([]);

      // The bucket is down: the backup counts here, and the next one sends it, too.
      const down = bucket.with(1, "http://127.0.0.1:9");
      const first = await keeper(["backup", ...at, "--recipients", recipient, ...down, ...upload], {
        env,
      });
      expect(first.result, first.stderr).toMatchObject({
        result: "upload-failed",
        backupId: expect.any(String),
        reason: { class: "unreachable" },
      });
      const second = await keeper([...backup, ...upload], { env });
      expect(second.result, second.stderr).toMatchObject({
        result: "backed-up",
        uploads: [
          { backupId: first.result.backupId, proof: "sha256" },
          { backupId: second.result.backupId, proof: "sha256" },
        ],
        ...{ copies: 2, offHost: { backupId: second.result.backupId } },
        sameDevice: expect.any(Boolean),
      });
      expect(second.stderr).not.toContain(env.AWS_SECRET_ACCESS_KEY);
      const before = await snapshot(stack);

      await removeAll(stack);
      await rm(repository, { recursive: true });
      expect(await partsOf(stack)).toEqual([]);
      const address = `s3://bucket/off/site/${stack.projectName}/latest`;
      const restore = ["restore", ...at, "--identity", identity, "--backup", address, ...bucket];
      const { result, stderr } = await keeper(restore, { env });
      expect(result, stderr).toMatchObject({
        result: "restored",
        backupId: second.result.backupId,
        setAside: [],
      });
      expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
    },
  );

  it("is rehearsed on by a host that has nothing of it but the key", exhaustive, async () => {
    await using stack = await createStack({ tier: "personal", name: "rehearse-bucket" });
    await using server = await S3Server.start();
    const { identity, recipient } = await ageKey(stack);
    const reach = ["--upload-endpoint", server.endpoint, "--upload-path-style"];
    const upload = ["--upload", "s3", "--upload-to", "s3://bucket/off/site"];
    const host = stackFlags(stack, join(stack.scratch, "repository"));
    const made = await keeper(["backup", ...host, "--recipients", recipient, ...upload, ...reach], {
      env,
    });
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const before = await snapshot(stack);
    const reference = await stack.publish("1.2.0");
    const elsewhere = join(stack.scratch, "elsewhere");
    const address = `s3://bucket/off/site/${stack.projectName}/latest`;
    const from = ["--backup", address, "--identity", identity, ...reach];
    const what = ["--images", `sophon-gateway=${reference}`, "--soak", "3s"];
    const how = ["upgrade-test", "--target", "rehearsal", "--repository", elsewhere];
    const rehearsed = await keeper([...how, ...from, ...what], { env });
    expect(rehearsed.result, rehearsed.stderr).toMatchObject({
      result: "passed",
      backupId: made.result.backupId,
    });
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
  });
});
