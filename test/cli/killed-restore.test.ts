import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBackup } from "../contract/verify/backup.ts";
import { standInEngine } from "../hostile/stand-in-engine.ts";
import { compiled } from "../lab/program.ts";
import { until } from "../lab/step.ts";
import { keeper, shipped } from "./keeper.ts";

// Only root unpacks without a helper container, and so without an engine.

const id = "sophon-20260102T030405Z-00aa";
const root = mkdtempSync(join(tmpdir(), "sk-killed-"));
const socket = join(root, "engine.sock");
const env = { HOME: root, TMPDIR: join(root, "tmp"), DOCKER_HOST: `unix://${socket}` };
let repository = "";
let engine: AsyncDisposable;

beforeAll(async () => {
  mkdirSync(env.TMPDIR);
  ({ repository } = await makeBackup(root, { id }));
  engine = await standInEngine(socket);
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

interface Left {
  /** The directory that holds the target. */
  readonly around: string;
  readonly child: ChildProcess;
}

/** A restore that gets a signal when all is unpacked and nothing in its place. */
async function cutOff(
  signal: "SIGKILL" | "SIGSTOP",
  from = ["--backup", id, "--repository", repository],
): Promise<Left> {
  const around = mkdtempSync(join(root, "around-"));
  const args = ["restore", ...from, "--allow-unsigned"];
  const hook = join(import.meta.dirname, "kill-at-sync.ts");
  const entry = join(await shipped(), "cli.js");
  const target = join(around, "new");
  const child = spawn(process.execPath, ["--import", hook, entry, ...args, "--target", target], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compiled, ...env, AT_SYNC: signal },
    stdio: "ignore",
  });
  if (signal === "SIGKILL") await once(child, "close");
  else {
    await until("it is stopped", 60_000, async () =>
      /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8")),
    );
  }
  return { around, child };
}

/** What lies beside the target; something with the key of the stack in it. */
function remains(around: string): string[] {
  const names = readdirSync(around);
  const [name = ""] = names;
  expect(readFileSync(join(around, name, "data/security/vault.key"), "utf8")).toContain(id);
  return names;
}

async function next(args: readonly string[]): Promise<void> {
  const { stderr, code } = await keeper([...args, "--repository", repository, "--json"], { env });
  expect(code, stderr).not.toBe(1);
}

describe.runIf(process.geteuid?.() === 0)("what a killed restore into a directory unpacked", () => {
  const elsewhere = ["--project-name", "sophon"];
  const sent = ["--upload-path-style", "--upload-retry", "0", ...elsewhere];
  it.each([
    ["list"],
    ["ls", "--backup", id],
    ["find", "--path", "vault.key"],
    ["diff", "--backup", id, "--against", id],
    ["verify", "--backup", id, "--level", "checksum"],
    ["report", "--report-path", join(root, "page.html")],
    ["prune", "--dry-run", "--keep-last", "1", ...elsewhere],
    ["prune", "--keep-last", "9", ...elsewhere],
    ["recover", ...elsewhere],
    ["restore", "--backup", id, "--allow-unsigned", "--target", join(root, "elsewhere")],
    ["upload", "--upload-to", "s3://bucket/x", "--upload-endpoint", "http://127.0.0.1:9", ...sent],
    ["undo", ...elsewhere],
    ["backup", "--unencrypted", ...elsewhere],
    ["upgrade-test", "--images", "app=app:2", ...elsewhere],
  ])("goes with the next run: %s", async (...args) => {
    const { around } = await cutOff("SIGKILL");
    expect(remains(around)).toHaveLength(1);
    await next(args);
    expect(readdirSync(around)).toEqual([]);
    const inRepository = readdirSync(repository, { recursive: true, encoding: "utf8" });
    expect(inRepository.filter((name) => name.includes("note-"))).toEqual([]);
  });

  it("goes, too, if only files were restored", async () => {
    const { around } = await cutOff("SIGKILL", [
      ...["--backup", id, "--repository", repository, "--path", "data/security/vault.key"],
    ]);
    expect(remains(around)).toHaveLength(1);
    await next(["list"]);
    expect(readdirSync(around)).toEqual([]);
  });

  it("goes if the backup lies in no repository", async () => {
    const alone = join(mkdtempSync(join(root, "alone-")), id);
    cpSync(join(repository, "backups", id), alone, { recursive: true });
    const { around } = await cutOff("SIGKILL", ["--backup", alone]);
    expect(remains(around)).toHaveLength(1);
    const { code } = await keeper(["scan-log", "--json"], { env, input: "started" });
    expect(code).not.toBe(1);
    expect(readdirSync(around)).toEqual([]);
  });

  it("stays while it is unpacked, and becomes the target", async () => {
    const { around, child } = await cutOff("SIGSTOP");
    const left = remains(around);
    await next(["list"]);
    await next(["recover", ...elsewhere]);
    expect(readdirSync(around)).toEqual(left);
    child.kill("SIGCONT");
    await once(child, "close");
    expect(readdirSync(around)).toEqual(["new"]);
    expect(readFileSync(join(around, "new/data/security/vault.key"), "utf8")).toContain(id);
  });

  it("is nothing of a user's that merely has such a name", async () => {
    const { around } = await cutOff("SIGKILL");
    const [left = ""] = readdirSync(around);
    const own = [`${left}.old`, left.replace(/.$/, (last) => (last === "a" ? "b" : "a"))];
    for (const name of own) {
      mkdirSync(join(around, name));
      writeFileSync(join(around, name, "mine"), "mine");
    }
    await next(["list"]);
    expect(new Set(readdirSync(around))).toEqual(new Set(own));
  });
});
