import { globSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asDockerUser, dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells } from "../lab/matrix.ts";
import { run, tryRun } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import {
  type AgeKey,
  ageKey,
  keeper,
  listed,
  type Outcome,
  stackFlags,
  startKeeper,
} from "./support/keeper.ts";
import { helperAtWork, helpersOf } from "./support/moments.ts";
import { remainsOf } from "./support/remains.ts";
import { smallDisk } from "./support/small-disk.ts";
import { stateOf } from "./support/state.ts";

const mebibyte = 1024 * 1024;

let stack: LabStack;
let key: AgeKey;
let repository: string;

beforeAll(async () => {
  await ensureDockerUser();
  const fillBytes = 48 * mebibyte;
  stack = await createStack({ tier: "personal", name: "faults", owner: dockerUser, fillBytes });
  key = await ageKey(stack);
  repository = join(stack.scratch, "repository");
});
afterAll(async () => {
  await stack.down();
});

describe("refused with exit 2 and the input's name, before anything is done:", () => {
  const misspelt: [flags: string[], message: RegExp][] = [
    [["--project-name", "sk-no-such-project"], /sk-no-such-project/],
    [["--project-directory", "/no/such/directory"], /project-directory|\/no\/such\/directory/],
    [["--compose-files", "no-such.yml"], /compose-files|no-such\.yml/],
    [["--env-files", "no-such.env"], /env-files|no-such\.env/],
    [["--data-dir", "/no/such/data"], /data-dir/],
    [["--postgres-service", "postgrse"], /postgres-service/],
    [["--exclude", "no-such-volume"], /exclude/],
    [["--profiles", "no-such-profile", "--rabbitmq-service", "rabitmq"], /rabbitmq-service/],
  ];
  const usual = ["--project-name", "--data-dir", "--exclude"];
  cells(test, misspelt, ([flag = ""]) => usual.includes(flag))("%j", async (flags, message) => {
    const named = flags.includes("--project-name") ? [] : ["--project-name", stack.projectName];
    const at = ["--repository", join(stack.scratch, "never-made")];
    const before = await stateOf(stack);
    const refused = await keeper(["backup", ...named, ...at, ...flags]);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.result).toBe("refused");
    const { message: told, hint = "" } = refused.result.reason;
    expect(told).toMatch(message);
    expect(told).not.toContain("\n");
    // What to do stands in the line itself or in the one below it.
    expect(`${told} ${hint}`).toMatch(
      /\b(give|check|name|write|did you mean|leave|add|correct|are)\b/i,
    );
    expect(await listed(stack, join(stack.scratch, "never-made"))).toEqual([]);
    expect(await remainsOf(stack, repository)).toEqual([]);
    expect(await stateOf(stack)).toEqual(before);
  });

  test("a repository inside of what is backed up", async () => {
    // The directory belongs to the application. Root trusts it only as that of the user who called sudo.
    const env = { SUDO_UID: String(statSync(stack.dataDir).uid) };
    const inside = join(stack.dataDir, "backups");
    const refused = await keeper(["backup", ...stackFlags(stack, inside)], { env });
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason.message).toMatch(/^repository: .* lies inside/);
  });

  test("too little disk", async () => {
    await using disk = await smallDisk(join(stack.scratch, "tiny"), 12 * mebibyte);
    const refused = await backup(disk.path);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.result.reason).toMatchObject({ class: "no-space" });
    expect(refused.result.reason.message).toMatch(
      /^repository: .* has .* free, but a backup needs/,
    );
    expect(await listed(stack, disk.path)).toEqual([]);
    expect(await remainsOf(stack, disk.path)).toEqual([]);
  });

  test("a dry run does nothing at all", async () => {
    const before = await stateOf(stack);
    const unmade = join(stack.scratch, "unmade");
    const planned = await keeper(["backup", ...stackFlags(stack, unmade), "--dry-run"]);
    expect(planned.code, planned.stderr).toBe(0);
    expect(planned.result).toMatchObject({ result: "planned" });
    expect(planned.result.plan.stores).toMatchObject([{ kind: "data", source: stack.dataDir }]);
    expect(await readdir(stack.scratch)).not.toContain("unmade");
    expect(await remainsOf(stack, unmade)).toEqual([]);
    expect(await stateOf(stack)).toEqual(before);
  });
});

describe("no backup is recorded, nothing is left, and the stack is as before, when", () => {
  const broken: [what: string, put: (path: string) => Promise<unknown>, message: RegExp][] = [
    ["missing", async () => undefined, /vault\.key does not exist$/],
    ["a directory", (path) => mkdir(path), /vault\.key is not a regular file$/],
    ["a link to nowhere", (path) => symlink("/nowhere", path), /vault\.key is not a regular file$/],
  ];
  test.each(broken)("vault.key is %s: what losing it means is said", async (_, put, message) => {
    const path = join(stack.dataDir, "security", "vault.key");
    await rename(path, `${path}.away`);
    await put(path);
    const failed = await backup(repository);
    await rm(path, { recursive: true, force: true });
    await rename(`${path}.away`, path);
    await expectNoKey(failed, message);
  });

  test("vault.key cannot be read by who would copy it: that is not taken for a missing one", async () => {
    const root = join(stack.scratch, "closed");
    await mkdir(join(root, "security"), { recursive: true });
    await writeFile(join(root, "security", "vault.key"), Buffer.alloc(32, 7), { mode: 0o600 });
    const module = join(import.meta.dirname, "../../src/stores/tree/vault.ts");
    const told = async () => {
      const call = `requireVaultKey(${JSON.stringify(root)}, "security/vault.key")`;
      const code = `import { requireVaultKey } from ${JSON.stringify(module)};
        await ${call}.catch(({ message, hint }) => console.log(message, hint));`;
      const argv = [process.execPath, "--input-type=module", "--eval", code];
      return await run(asDockerUser(argv), { cwd: "/" });
    };
    expect(await told()).toMatch(/vault\.key cannot be read \(EACCES.*Without this key/);
    await chmod(join(root, "security"), 0o700);
    expect(await told()).toMatch(/vault\.key cannot be read \(EACCES.*Without this key/);
  });

  test("the disk fills up half way", async () => {
    const before = await stateOf(stack);
    // More than what the check in advance expects, less than what is written.
    await using disk = await smallDisk(join(stack.scratch, "small"), 34 * mebibyte);
    await mkdir(join(disk.path, "repository"));
    const free = await disk.freeBytes();
    const failed = await backup(join(disk.path, "repository"));
    expect(failed.code, failed.stderr).toBe(3);
    expect(failed.result).toMatchObject({
      result: "backup-failed",
      reason: { class: "disk-full" },
    });
    expect(failed.result.reason.message).toMatch(/^data: the disk is full/);
    expect(await remainsOf(stack, join(disk.path, "repository"))).toEqual([]);
    expect(await listed(stack, join(disk.path, "repository"))).toEqual([]);
    expect(await disk.freeBytes()).toBeGreaterThan(free - mebibyte);
    expect(await stateOf(stack)).toEqual(before);
  });

  test("the helper that copies the database is killed half way", async () => {
    const before = await stateOf(stack);
    const own = join(stack.scratch, "repository of the user");
    await mkdir(own);
    await run(["chown", dockerUser, own]);
    const live = join(stack.dataDir, "data", "sophon.db");
    const rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)";
    const grow = `DROP TABLE IF EXISTS Bulk; CREATE TABLE Bulk AS ${rows} SELECT randomblob(1048576) AS b FROM n;`;
    await run(["sqlite3", "-bail", live, grow, "PRAGMA wal_checkpoint(TRUNCATE);"]);
    const whole = statSync(live).size;
    let copied = 0;
    // At whatever instant it is stopped, all of this must hold; half way is only likely at the first try.
    for (let tries = 0; tries < 5 && (copied === 0 || copied >= whole); tries += 1) {
      const flags = [...stackFlags(stack, own), "--recipients", key.recipient];
      const running = startKeeper(["backup", ...flags], { as: "docker user" });
      const helper = await helperAtWork(stack, own, stack.dataDir);
      const copies = join(own, "backups", ".partial-*", ".copies-*", "*", "data", "sophon.db");
      // One helper stays for the next task: which of them copies is not to be seen from outside.
      const helpers = async () => [helper, ...(await helpersOf(stack, own, stack.dataDir))];
      copied = await frozenIn(helpers, copies, running.ended);
      for (const name of await helpers()) {
        await tryRun(["docker", "kill", "--signal", "KILL", name]);
      }
      const failed = await running.ended;
      if (copied === 0) {
        // It was faster than the look at it, and may have come to its end.
        await rm(join(own, "backups"), { recursive: true });
        continue;
      }
      expect(failed.code, failed.stderr).toBe(3);
      expect(failed.result.reason.message).toMatch(/^data: the helper container ended without/);
      expect(failed.result.reason.message).not.toContain("\n");
      expect(await remainsOf(stack, own)).toEqual([]);
      expect(await listed(stack, own)).toEqual([]);
      expect(await stateOf(stack)).toEqual(before);
    }
    expect(copied).toBeGreaterThan(0);
    expect(copied).toBeLessThan(whole);
  });
});

async function expectNoKey(failed: Outcome, message: RegExp): Promise<void> {
  expect(failed.code, failed.stderr).toBe(3);
  expect(failed.result).toMatchObject({
    result: "backup-failed",
    reason: {
      class: "vault-key",
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/every encrypted credential .* is lost for good/),
    },
  });
  expect(failed.result.reason.message).not.toContain("\n");
  expect(await remainsOf(stack, repository)).toEqual([]);
  expect(await listed(stack, repository)).toEqual([]);
}

/** Stops helpers as soon as the copy has begun; returns how many bytes of it are there then, 0 when it was too fast. */
async function frozenIn(
  helpers: () => Promise<readonly string[]>,
  pattern: string,
  ended: Promise<unknown>,
): Promise<number> {
  const sizeNow = () =>
    globSync(pattern).map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0)[0] ?? 0;
  let isOver = false;
  void ended.finally(() => {
    isOver = true;
  });
  while (sizeNow() === 0) {
    if (isOver) return 0;
    await delay(5);
  }
  for (const name of await helpers()) await tryRun(["docker", "kill", "--signal", "STOP", name]);
  return sizeNow();
}

async function backup(at: string) {
  return await keeper(["backup", ...stackFlags(stack, at), "--recipients", key.recipient]);
}
