import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { keeper } from "../cli/keeper.ts";
import { diff } from "../lab/compare.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";

const env = { HOME: process.env.HOME ?? "/root", PATH: process.env.PATH };
const entry = join(import.meta.dirname, "..", "..", "src", "cli.ts");

async function told(args: readonly string[]) {
  const { stdout } = await keeper([...args, "--json"], { env: { HOME: env.HOME } });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The last journal's lines; empty before there is one. */
async function journal(repository: string): Promise<string> {
  const directory = join(repository, "operations");
  const names = (await readdir(directory)).filter((name) => name.endsWith(".jsonl")).toSorted();
  const texts = names.map((name) => readFile(join(directory, name), "utf8"));
  return (await Promise.all(texts)).find(isOpenRestore) ?? "";
}

function isOpenRestore(lines: string): boolean {
  return lines.includes('"operation":"restore"') && !lines.includes('"step":"closed"');
}

/** Begins a restore and kills it as soon as its journal tells a step. */
async function killAt(step: string, repository: string, at: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [entry, "restore", ...at], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const output = text(child.stderr);
  const ended = new Promise((resolve) => child.once("close", resolve));
  while (!(await journal(repository)).includes(`"step":"${step}"`)) {
    if (child.exitCode !== null) throw new Error(`it ended before ${step}: ${await output}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  child.kill("SIGKILL");
  await ended;
}

describe("a restore that is killed", () => {
  it("is undone by recover at every step of its journal: the live stack is as it was before", async () => {
    await using stack = await createStack({ tier: "personal", name: "rk" });
    const repository = await mkdtemp(join(tmpdir(), "sophon-keeper-repository-"));
    try {
      const at = ["--project-directory", stack.directory, "--repository", repository];
      expect(await told(["backup", ...at])).toMatchObject({ result: "backed-up" });
      await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
      const before = await snapshot(stack);
      for (const step of ["stop", "set-aside", "replace-tree"]) {
        await killAt(step, repository, at);
        expect(await told(["recover", ...at])).toMatchObject({ result: "recovered" });
        await stack.compose(["up", "--detach", "--wait", "--no-recreate"]);
        expect(diff(before, await snapshot(stack)), `killed at ${step}`).toEqual([]);
      }
      expect(await told(["recover", ...at])).toMatchObject({ result: "unchanged" });
    } finally {
      await rm(repository, { recursive: true });
    }
  });

  it("is never begun with a damaged backup", async () => {
    await using stack = await createStack({ tier: "personal", name: "rd" });
    const repository = await mkdtemp(join(tmpdir(), "sophon-keeper-repository-"));
    try {
      const at = ["--project-directory", stack.directory, "--repository", repository];
      const made = await told(["backup", ...at]);
      const directory = made.path as string;
      const file = (await readdir(directory)).find((name) => name.startsWith("data.")) as string;
      const bytes = await readFile(join(directory, file));
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      await writeFile(join(directory, file), bytes);
      const { ino } = await stat(stack.dataDir);
      const started = await stack.compose(["ps", "--format", "{{.ID}} {{.CreatedAt}}"]);
      expect(await told(["restore", ...at])).toMatchObject({ result: "damaged" });
      expect((await stat(stack.dataDir)).ino).toBe(ino);
      expect(await stack.compose(["ps", "--format", "{{.ID}} {{.CreatedAt}}"])).toBe(started);
    } finally {
      await rm(repository, { recursive: true });
    }
  });
});
