import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testCredentials } from "../contract/destinations/s3-subject.ts";
import { rcloneServed } from "../contract/destinations/served.ts";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { ensureAws } from "../lab/object-stores.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { gatewayState } from "../lab/writers.ts";
import { ageKey, keeper, stackFlags } from "./support/keeper.ts";

const docs = join(import.meta.dirname, "..", "..", "docs");
const page = join(docs, "recovery.md");
const bucketPage = join(docs, "off-host.md");

/** A socket is in no backup; what was moved aside is still there, and what Qdrant was given too. */
const ignore = [/agent\.sock: lost/, /_before/, /qdrant: .* snapshots left on the server/];

/** The commands of the page that say that they are tested, in their order. */
function commandsOf(text: string): string[] {
  const blocks = text.matchAll(/<!-- tested -->\n\n```sh\n([\s\S]*?)\n```/g);
  return [...blocks].map(([, commands = ""]) => commands);
}

/** What a bad night does to a stack. */
async function wreck(stack: LabStack): Promise<void> {
  await rm(join(stack.dataDir, "security"), { recursive: true });
  await writeFile(join(stack.dataDir, "left-by-a-newer-version"), "new");
  const sql = 'DROP TABLE "Messages" CASCADE; CREATE TABLE newer (id int)';
  const psql = ["psql", "-q", "-U", "sophon", "-d", "sophon", "-c", sql];
  await stack.compose(["exec", "-T", "postgres", ...psql]);
  await stack.compose(["exec", "-T", "redis", "redis-cli", "-e", "FLUSHALL"]);
}

it(
  "the commands of the recovery page, word for word, bring an enterprise stack back by hand",
  exhaustive,
  async () => {
    await using stack = await createStack({ tier: "enterprise", name: "recovery-page" });
    const at = stackFlags(stack, join(stack.scratch, "repository"));
    const { identity, recipient } = await ageKey(stack);
    const made = await keeper(["backup", ...at, "--recipients", recipient]);
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const before = await snapshot(stack);
    await wreck(stack);
    await followPage(stack, made.result.path, identity);
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
  },
);

it(
  "brings it back by hand from a bucket: aws, ssh-keygen, sha256sum and age, word for word",
  exhaustive,
  async () => {
    const aws = await ensureAws();
    await using bucket = await rcloneServed();
    await using stack = await createStack({ tier: "enterprise", name: "bucket-by-hand" });
    const repository = join(stack.scratch, "repository");
    const at = stackFlags(stack, repository);
    const { identity, recipient } = await ageKey(stack);
    const signKey = join(stack.scratch, "sign-key");
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", signKey]);
    const upload = ["--upload", "s3", "--upload-to", "s3://bucket/off/site", "--sign-key", signKey];
    const where = ["--upload-endpoint", bucket.endpoint, "--upload-path-style"];
    const args = ["backup", ...at, "--recipients", recipient, ...upload, ...where];
    const made = await keeper(args, { env: testCredentials });
    expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
    const before = await snapshot(stack);
    await rm(repository, { recursive: true });
    await wreck(stack);
    const copy = join(stack.scratch, "copy");
    await mkdir(copy);
    const [commands = ""] = commandsOf(await readFile(bucketPage, "utf8"));
    expect(commands).toContain("aws s3 cp --recursive");
    await run(["bash", "-e", "-o", "pipefail", "-c", commands], {
      cwd: copy,
      env: {
        PATH: `${aws}:${process.env.PATH}`,
        HOME: stack.scratch,
        ...testCredentials,
        AWS_ENDPOINT_URL: bucket.endpoint,
        AWS_DEFAULT_REGION: "us-east-1",
        BUCKET: "s3://bucket/off/site",
        PROJECT: stack.projectName,
        ID: made.result.backupId,
        KEY: identity,
      },
    });
    await followPage(stack, copy, identity);
    expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
  },
);

async function followPage(stack: LabStack, backup: string, identity: string): Promise<void> {
  const commands = commandsOf(await readFile(page, "utf8"));
  expect(commands).toHaveLength(9);
  await run(["bash", "-e", "-o", "pipefail", "-c", commands.join("\n")], {
    cwd: stack.directory,
    env: {
      PATH: process.env.PATH,
      HOME: stack.scratch,
      BACKUP: backup,
      KEY: identity,
      PROJECT: stack.projectName,
      SOPHON_DATA: stack.dataDir,
      QDRANT: stack.qdrantUrl,
      QDRANT_KEY: stack.credentials.qdrantKey,
    },
  });
}
