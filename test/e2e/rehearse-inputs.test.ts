// @module-tag exhaustive
import { existsSync } from "node:fs";
import { cp, mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatSignKey, newSignKey, signText } from "../../src/core/ssh-signature.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { goodVersions } from "../lab/versions.ts";
import { clonesOf } from "./rehearse-lab.ts";
import { type AgeKey, ageKey } from "./support/keeper.ts";
import { expectAsBefore, look, repository, stackArguments, startKeeper } from "./upgrade-lab.ts";

let stack: LabStack;
let key: AgeKey;
let made: { readonly id: string; readonly path: string };

beforeAll(async () => {
  stack = await createStack({ tier: "personal", name: "rehearse-inputs" });
  key = await ageKey(stack);
  made = await backUp();
});
afterAll(() => stack[Symbol.asyncDispose]());

async function backUp(...more: readonly string[]) {
  const how = ["--recipients", key.recipient, ...more];
  const { result, stderr } = await startKeeper(["backup", ...stackArguments(stack), ...how]).done;
  if (result?.result !== "backed-up") throw new Error(stderr);
  return { id: String(result.backupId), path: String(result.path) };
}

/** A rehearsal with nothing but what it is given. */
async function rehearsal(...more: readonly string[]) {
  const how = ["upgrade-test", "--target", "rehearsal", "--soak", "3s"];
  return await startKeeper([...how, ...more]).done;
}

function here(): string[] {
  return ["--repository", repository(stack), "--identity", key.identity];
}

/** The image that runs already: the backup is found, opened and read, and nothing is tried. */
function same(): string[] {
  return ["--images", `sophon-gateway=${stack.env.SOPHON_IMAGE}`];
}

/** A checkout of the stack's files, changed. */
async function checkout(name: string, change: (compose: string) => string): Promise<string> {
  const directory = join(stack.scratch, name);
  await mkdir(directory);
  await cp(join(stack.directory, ".env"), join(directory, ".env"));
  const compose = await readFile(join(stack.directory, "docker-compose.yml"), "utf8");
  const file = join(directory, "docker-compose.yml");
  await writeFile(file, change(compose));
  return file;
}

it("takes a fresh backup and a new definition, whose image has a tag and a digest", async () => {
  const before = await look(stack);
  const reference = await stack.publish(goodVersions["1.2.0"]);
  await run(["docker", "pull", "--quiet", reference]);
  const format = ["--format", "{{index .RepoDigests 0}}"];
  const pinned = (await run(["docker", "image", "inspect", ...format, reference])).trim();
  const both = `${reference}@${pinned.split("@")[1]}`;
  const file = await checkout("pull", (compose) =>
    compose
      .replace(/image: \$\{SOPHON_IMAGE\S*/, `image: ${both}`)
      .replace("restart: unless-stopped", "restart: unless-stopped\n    labels: { reviewed: yes }"),
  );
  const fresh = ["--backup", "fresh", "--recipients", key.recipient];
  const { code, result, stderr } = await rehearsal(
    ...[...fresh, ...stackArguments(stack), "--identity", key.identity, "--new-files", file],
  );
  expect(code, stderr).toBe(0);
  const line = (await readFile(file, "utf8")).split("\n").findIndex((one) => one.includes(both));
  expect(result).toMatchObject({
    ...{ result: "passed", to: { "sophon-gateway": both } },
    backupId: expect.not.stringMatching(made.id),
    rehearsal: {
      differences: [expect.stringContaining("labels")],
      imageLines: [{ service: "sophon-gateway", file, line: line + 1 }],
      ...{ packetsOut: 0, rollBack: { inPlace: expect.any(String) } },
    },
  });
  expect(await clonesOf(stack)).toEqual([]);
  await expectAsBefore(stack, before, "fresh");
});

it("takes a path, and a sealed file on a host without the backup", async () => {
  const byPath = await rehearsal("--backup", made.path, "--identity", key.identity, ...same());
  expect(byPath.result, byPath.stderr).toMatchObject({ result: "unchanged", backupId: made.id });
  const file = join(stack.scratch, `${made.id}.tar`);
  await run(["sh", "-c", 'cd "$1" && tar -cf "$2" *.age', "sh", made.path, file]);
  const other = join(stack.scratch, "other");
  const sealed = ["--backup", file, "--repository", other, "--identity", key.identity];
  const byFile = await rehearsal(...sealed, ...same());
  expect(byFile.result, byFile.stderr).toMatchObject({ result: "unchanged", backupId: made.id });
  expect(existsSync(join(other, "backups", made.id))).toBe(true);
});

it.each([
  ["include", (compose: string) => `include: [../other.yml]\n${compose}`],
  [
    "extends",
    (compose: string) =>
      compose.replace("restart:", "extends: { file: ../other.yml, service: x }\n    restart:"),
  ],
  [
    "env_file",
    (compose: string) => compose.replace("restart:", "env_file: ../secret.env\n    restart:"),
  ],
])("refuses a checkout whose %s leads out of it", async (name, change) => {
  const file = await checkout(`outside-${name}`, change);
  const { code, result, stderr } = await rehearsal(...here(), "--new-files", file);
  expect(code, stderr).toBe(2);
  expect(result).toMatchObject({ result: "refused", reason: { class: "outside-checkout" } });
});

it("says what is missing: an image, a key, and a young backup", async () => {
  const missing = `${stack.reference("1.1.0")}-missing`;
  const image = await rehearsal(...here(), "--images", `sophon-gateway=${missing}`);
  expect(image.code, image.stderr).toBe(5);
  expect(image.result).toMatchObject({ result: "unverifiable" });

  const keyless = await rehearsal("--repository", repository(stack), ...same());
  expect(keyless.code, keyless.stderr).toBe(5);
  expect(keyless.stderr).toContain("identity");

  const old = await rehearsal(...here(), ...same(), "--max-age", "1s");
  expect(old.code, old.stderr).toBe(4);
  expect(old.result).toMatchObject({ result: "stale", reason: { class: "stale" } });

  // Another one than the latest is not replaced by a fresh one.
  const settled = [...here(), ...same(), "--max-age", "1s", "--recipients", key.recipient];
  const byId = await rehearsal(...settled, "--backup", made.id);
  expect(byId.result, byId.stderr).toMatchObject({ result: "stale", backupId: made.id });
});

it("makes a fresh backup where the latest is too old, and the stack is here", async () => {
  const old = await backUp();
  const given = [...here(), ...same(), "--recipients", key.recipient];
  const { code, result, stderr } = await rehearsal(...given, "--max-age", "1s");
  expect(code, stderr).toBe(0);
  expect(result).toMatchObject({ result: "unchanged" });
  expect(result?.backupId).not.toBe(old.id);
  expect(await readdir(join(repository(stack), "backups"))).toContain(result?.backupId);
});

it("demands that a signature is valid, and one of the trusted signers if they are given", async () => {
  const own = newSignKey();
  const file = join(stack.scratch, "sign-key");
  await writeFile(file, formatSignKey(own, "test"), { mode: 0o600 });
  const signed = await backUp("--sign-key", file);
  const by = (...more: readonly string[]) =>
    rehearsal("--backup", signed.path, "--identity", key.identity, ...same(), ...more);
  const trusted = await by("--trusted-signers", own.publicKey);
  expect(trusted.result, trusted.stderr).toMatchObject({ result: "unchanged" });
  const other = await by("--trusted-signers", newSignKey().publicKey);
  expect(other.code, other.stderr).toBe(5);
  expect(other.result).toMatchObject({
    ...{ result: "unverifiable", reason: { class: "unknown-origin" } },
  });
  expect((await by()).result).toMatchObject({ result: "unchanged" });
  const signature = join(signed.path, "manifest.json.sig");
  await writeFile(signature, signText("another manifest", own));
  const forged = await by();
  expect(forged.code, forged.stderr).toBe(4);
  expect(forged.result).toMatchObject({ result: "damaged" });
});

it("finds a damaged backup, and then takes the newest that is not", async () => {
  const damaged = await backUp();
  const names = (await run(["ls", damaged.path])).split("\n");
  const name = names.find((one) => one.startsWith("data.")) ?? "";
  await using file = await open(join(damaged.path, name), "r+");
  await file.write("damage", 3000);
  const found = await rehearsal(...here(), ...same());
  expect(found.code, found.stderr).toBe(4);
  expect(found.result).toMatchObject({ result: "damaged", backupId: damaged.id });
  const next = await rehearsal(...here(), ...same());
  expect(next.result, next.stderr).toMatchObject({ result: "unchanged" });
  expect(next.result?.backupId).not.toBe(damaged.id);
});
