import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { atTerminal } from "./support/at-terminal.ts";
import { keeper, stackFlags } from "./support/keeper.ts";
import { stateOf } from "./support/state.ts";

let stack: LabStack;
beforeAll(async () => {
  stack = await createStack({ tier: "personal", name: "begin" });
});
afterAll(async () => {
  await stack.down();
});

let count = 0;

/** Places of one run of their own, and the words that name them. */
function fresh() {
  count += 1;
  const at = (name: string) => join(stack.scratch, `${name}-${count}`);
  const [repository, keys, into] = [at("repository"), at("keys"), at("files")];
  const places = ["--keys-directory", keys, "--into", into];
  const argv = ["init", ...stackFlags(stack, repository), ...places];
  return { repository, keys, into, argv, all: [keys, into, repository] };
}

const there = (paths: readonly string[]) => paths.filter((path) => existsSync(path));

const questions = [
  /age key pairs .*\[Y\/n\] $/,
  /workflows for GitHub .*\[[Yy]\/[Nn]\] $/,
  /for systemd .*\[[Yy]\/[Nn]\] $/,
  /for cron .*\[[Yy]\/[Nn]\] $/,
  /first backup .*\[Y\/n\] $/,
];

it("makes keys, files, a first backup and its test restore; a second run changes none of the files", async () => {
  const { keys, into, argv, all } = fresh();
  const before = await stateOf(stack);
  const planned = await keeper([...argv, "--dry-run"]);
  expect(planned.code).toBe(0);
  expect(there(all)).toEqual([]);

  const first = await keeper([...argv, "--yes"]);
  expect(first.result, first.stderr).toMatchObject({ result: "verified", level: "restore" });
  expect(first.result.next).toHaveLength(5);
  // The key that init tells is the one that signed the backup.
  const [manifest, signers] = [join(first.result.path, "manifest.json"), join(keys, "signers")];
  await writeFile(signers, `any ${first.result.signer}\n`);
  const check = 'ssh-keygen -Y verify -f "$1" -I any -n sophon-keeper -s "$2.sig" <"$2"';
  execFileSync("bash", ["-c", check, "-", signers, manifest]);
  await rm(signers);
  const read = async () =>
    await Promise.all(
      first.result.written.map(async (path: string) => [path, await readFile(path, "utf8")]),
    );
  const texts = await read();
  expect(texts).toHaveLength(8);
  for (const role of ["backup", "recovery", "verify"]) {
    const path = join(keys, `${role}.key`);
    expect((await stat(path)).mode & 0o777, role).toBe(0o600);
    const [file = ""] = globSync(join(first.result.path, "data.tar.zst.age"));
    const open = 'age -d -i "$1" "$2" | zstd -dc | tar -t';
    expect(
      execFileSync("bash", ["-c", open, "-", path, file], { timeout: 120_000 }).toString(),
      role,
    ).toContain("security/vault.key");
  }
  const unit = join(into, "systemd/sophon-keeper-backup.service");
  const [line = ""] = /^ExecStart=(.* backup .*)$/m.exec(await readFile(unit, "utf8")) ?? [];
  expect(line).toContain(join(keys, "recipients.txt"));
  // The next backup goes to where the first one is.
  expect(line).toContain(`--repository ${all[2]} --project-name ${stack.projectName}`);
  const nightly = parse(await readFile(join(into, ".github/workflows/sophon-nightly.yml"), "utf8"));
  for (const step of nightly.jobs.backup.steps.slice(0, 2)) {
    expect(step.with).toMatchObject({ repository: all[2], "project-name": stack.projectName });
  }

  // What was asked for: the private halves are somewhere else now.
  for (const role of ["backup", "recovery"]) await rm(join(keys, `${role}.key`));
  const again = await keeper([...argv, "--yes", "--skip", "proof"]);
  expect(again.result).toMatchObject({ result: "passed", written: [], keys: [] });
  expect((await readdir(keys)).toSorted()).toEqual(["recipients.txt", "verify.key"]);
  expect(await read()).toEqual(texts);
  expect(await stateOf(stack)).toEqual(before);
});

it("refuses without a terminal and without --yes, in one line, and changes nothing", async () => {
  const { argv, all } = fresh();
  const { code, result, stderr } = await keeper(argv);
  expect(code).toBe(2);
  expect(result.reason).toMatchObject({ class: "no-terminal" });
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toContain("add --yes");
  expect(there(all)).toEqual([]);
});

it("asks at a terminal before each step, and does what was said", async () => {
  const { keys, into, argv, repository } = fresh();
  const terminal = atTerminal(argv);
  await terminal.shows(/project \S+ in .*stores: data/s);
  const answers = ["\r", "perhaps\rn\r", "yes\r", "N\r", "no\r"];
  for (const [at, question] of questions.entries()) {
    await terminal.shows(question);
    terminal.type(String(answers[at]));
  }
  const { code, screen } = await terminal.ended;
  expect(code, screen).toBe(0);
  expect(screen).toContain("Answer y or n: ");
  expect((await readdir(keys)).toSorted()).toEqual([
    ...["backup.key", "recipients.txt", "recovery.key", "verify.key"],
  ]);
  expect(await readdir(into)).toEqual(["systemd"]);
  expect(await readdir(join(into, "systemd"))).toHaveLength(3);
  expect(existsSync(repository)).toBe(false);
});

it.each([
  ["Ctrl-C", "\x03"],
  ["Ctrl-D", "\x04"],
])("leaves nothing behind after %s at any question", async (_, keys) => {
  for (const [at, question] of questions.entries()) {
    const { argv, all } = fresh();
    const terminal = atTerminal(argv);
    for (const earlier of questions.slice(0, at)) {
      await terminal.shows(earlier);
      terminal.type("y\r");
    }
    await terminal.shows(question);
    terminal.type(keys);
    const { code, screen } = await terminal.ended;
    expect(code, screen).toBe(130);
    expect(there(all), screen).toEqual([]);
  }
});

it("goes without keys of its own, and then keeps the places of the examples for them", async () => {
  const { keys, into, argv, repository } = fresh();
  const { result, stderr } = await keeper([...argv, "--yes", "--skip", "keys,workflows,cron"]);
  expect(result, stderr).toMatchObject({ result: "passed", keys: [] });
  expect(there([keys, repository, join(into, ".github"), join(into, "cron.d")])).toEqual([]);
  const unit = await readFile(join(into, "systemd/sophon-keeper-backup.service"), "utf8");
  expect(unit).toContain("--recipients @/etc/sophon-keeper/recipients.txt");
  expect(result.next.join("\n")).toContain("/etc/sophon-keeper/recipients.txt");
});

it("keeps private keys out of every place that is backed up or holds backups, also behind a link", async () => {
  const { into, argv, repository, keys } = fresh();
  await mkdir(into);
  const link = join(into, "link");
  await symlink(stack.directory, link);
  const inside = [join(stack.directory, "k"), join(link, "k"), join(repository, "k")];
  for (const place of inside) {
    const given = argv.map((word) => (word === keys ? place : word));
    const { code, result } = await keeper([...given, "--yes"]);
    expect(code, place).toBe(2);
    expect(result.reason.message).toMatch(/is inside the (project's directory|repository)/);
    expect(there([place, repository])).toEqual([]);
  }
});

it("begins with what an earlier, cut-off run made, and refuses a key file without a key", async () => {
  const { keys, argv } = fresh();
  await mkdir(keys, { mode: 0o700 });
  execFileSync("age-keygen", ["-o", join(keys, "backup.key")], { stdio: "ignore" });
  await writeFile(join(keys, "recovery.key"), "# public key: age1xyz\n", { mode: 0o600 });
  const files = ["--yes", "--skip", "workflows,systemd,cron,proof"];
  const refused = await keeper([...argv, ...files]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("no private key")]);
  await rm(join(keys, "recovery.key"));
  expect((await keeper([...argv, ...files])).code).toBe(0);
  const own = execFileSync("age-keygen", ["-y", join(keys, "backup.key")], { encoding: "utf8" });
  expect(await readFile(join(keys, "recipients.txt"), "utf8")).toContain(own);
});
