import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cells } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { labPath, outsideRun, runVariable } from "../lab/state.ts";
import { until } from "../lab/step.ts";

// Ctrl-C, or a job that is cancelled: nothing of what was started may stay.

const root = join(import.meta.dirname, "../..");
/** Generous: the machine may be busy with other tests. */
const waitMs = 240_000;

const runs: readonly [what: string, command: string[], signal: NodeJS.Signals][] = [
  ["the tests", ["test/run.ts", "e2e", "upgrade-person"], "SIGINT"],
  ["the demo", ["test/lab/demo.ts"], "SIGTERM"],
];

cells(
  it,
  runs,
  (what) => what === "the tests",
)("%s end everything that they started: %j, by %s", async (_, command, signal) => {
  const { SOPHON_KEEPER_LAB_LASTS: __, ...env } = outsideRun();
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: "ignore" });
  const ended = once(child, "close");
  const stack = await until("the program works on a stack", waitMs, async () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    return await stackAtWork(child.pid ?? 0);
  });
  child.kill(signal);
  expect((await ended)[0]).toBe(130);

  expect(await processesWith(stack.name)).toEqual([]);
  expect(await processesWith(`${runVariable}=${stack.run}`)).toEqual([]);
  for (const kind of ["container", "volume", "network", "image"]) {
    const all = kind === "container" ? ["--all"] : [];
    const list = ["docker", kind, "ls", ...all, "--format", "{{json .}}"];
    const left = (await run(list)).split("\n").filter((line) => line.includes(stack.name));
    expect(left).toEqual([]);
  }
  expect(existsSync(stack.directory)).toBe(false);
  expect(await readdir(join(await labPath("runs", "x"), ".."))).not.toContain(`${stack.run}.json`);
});

/** The stack of the run that a process began, once the program under test is at work on it. */
async function stackAtWork(owner: number) {
  const parent = join(await labPath("stacks", "x"), "..");
  for (const name of await readdir(parent)) {
    const directory = join(parent, name);
    const testRun = await run(["cat", join(directory, "run")]).catch(() => "");
    if (!testRun.startsWith(`${owner}-`)) continue;
    const texts = [name, `${runVariable}=${testRun}`];
    const lines = (await Promise.all(texts.map(processesWith))).flat();
    if (lines.some((line) => line.includes("cli.js"))) return { name, directory, run: testRun };
  }
  return undefined;
}

/** The processes with a text in their command line or environment. */
async function processesWith(text: string): Promise<string[]> {
  const script =
    'for p in /proc/[0-9]*; do if grep -qsF -- "$1" $p/cmdline $p/environ; then tr "\\0" " " < $p/cmdline; echo; fi; done';
  // What looks has the text in its own command line.
  const lines = (await run(["sh", "-c", script, "looks-for", text])).split("\n");
  return lines.filter((line) => line.trim() !== "" && !line.includes("looks-for"));
}
