import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { UploadFailedError } from "../../src/core/errors.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import type { FileDestination } from "../../src/destinations/destination.ts";
import { sealedFiles } from "../../src/destinations/sealed.ts";
import { chooseDestinations, deliverAll, limitsOf } from "../../src/operations/off-host/deliver.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { sealedRepository } from "../cli/sealed-repository.ts";
import { testCredentials } from "../contract/destinations/s3-subject.ts";

/** A service as full as the cache of a repository can be. */
const full: FileDestination = {
  refuseUnready: () => undefined,
  deliver: async ({ directory }) => {
    await sealedFiles(directory);
    throw new UploadFailedError("it is full", { class: "not-saved", hint: "see the log" });
  },
  fetch: async () => "",
};

async function send(
  upload: string,
  happens: (directory: string) => Promise<void> = async () => {},
  artifact = full,
) {
  await using made = await sealedRepository();
  const id = await made.add("2026-03-01");
  await happens(made.repository.directory(id));
  const bucket = { "upload-to": "s3://bucket/x", "upload-endpoint": "http://127.0.0.1:9" };
  const away = upload.includes("s3") ? { ...bucket, "upload-retry": "1s" } : {};
  const raw = { upload, recipients: made.recipient, "sign-key": made.signKey, ...away };
  const places = { workingDirectory: "/", home: undefined };
  const options = parseOptions("backup", raw, places, "action");
  const destinations = { cache: full, artifact };
  const dependencies = {
    ...{ reporter: silentReporter, clock: systemClock, version: "1.0.0" },
    ...{ signal: new AbortController().signal, destinations },
  };
  const chosen = chooseDestinations(options, dependencies);
  const backup = await made.repository.read(id);
  const sent = await deliverAll(chosen, backup, made.repository, options, dependencies);
  return { ...sent, limits: limitsOf(chosen) };
}

it("takes a cache that is full for a warning, with its limits told before", async () => {
  const { warnings, uploads, limits } = await send("cache");
  expect(warnings).toEqual(["it is full; see the log"]);
  expect(uploads).toBeUndefined();
  expect(limits).toEqual([expect.stringMatching(/10 GB.* a week .*those of forks included/)]);
});

it("takes an artifact service that is full for a failed upload", async () => {
  await expect(send("artifact")).rejects.toThrow(UploadFailedError);
  // The other one is tried before.
  await expect(send("artifact,cache")).rejects.toMatchObject({ class: "not-saved", exitCode: 3 });
});

it("fails for what is not encrypted, whatever the destination", async () => {
  const plain = (directory: string) => writeFile(join(directory, "extra.tar"), "plain");
  await expect(send("cache", plain)).rejects.toMatchObject({ class: "unencrypted" });
  const bare = (directory: string) => rm(join(directory, "manifest.json.age"));
  await expect(send("cache", bare)).rejects.toMatchObject({ class: "unencrypted" });
});

it("sends to the others what one of several cannot take, and tells both", async () => {
  Object.assign(process.env, testCredentials, { AWS_EC2_METADATA_DISABLED: "true" });
  const roomy: FileDestination = {
    ...full,
    deliver: async ({ backupId }) => ({ name: backupId, id: "7", bytes: 1, sha256: "0" }),
  };
  await expect(send("s3,artifact,cache", undefined, roomy)).rejects.toMatchObject({
    class: "unreachable",
    exitCode: 3,
    facts: { artifact: { id: "7" }, backupId: expect.any(String) },
  });
});
