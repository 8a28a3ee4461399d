import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { setUpVariable } from "../lab/up.ts";
import { type FileReport, root } from "./report.ts";

/** Marks the tests that only `npm run test:exhaustive` runs. */
export const exhaustiveTag = "exhaustive";

/** What each of many runs would say of itself. */
const isNoise = /^\s*$|RUN|JSON report written|Start at/;

/** How one run of vitest ended. */
export interface VitestRun {
  readonly code: number;
  readonly seconds: number;
  /** Empty when it ended before it could tell. */
  readonly files: readonly FileReport[];
}

/** Runs vitest once. Its lines are printed as they come, each behind `label`, since several may run side by side. */
export async function runVitest(
  label: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<VitestRun> {
  await using temporary = await temporaryDirectory("sophon-keeper-test-");
  const output = join(temporary.path, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${output}`];
  const started = performance.now();
  const code = await vitest(["run", ...reporters, ...args], env, (line) => {
    if (!isNoise.test(line)) console.log(`${label} ${line}`);
  });
  const report = await readFile(output, "utf8").catch(() => undefined);
  const seconds = (performance.now() - started) / 1000;
  return { code, seconds, files: report === undefined ? [] : JSON.parse(report).testResults };
}

/** The tests that vitest finds, without running any: file, and names from the outermost one, with ` > ` between. */
export async function listTests(
  args: readonly string[],
): Promise<readonly { readonly file: string; readonly name: string; readonly project: string }[]> {
  await using temporary = await temporaryDirectory("sophon-keeper-test-");
  const output = join(temporary.path, "list.json");
  const lines: string[] = [];
  const env = { [setUpVariable]: "listed" };
  // The rows of a matrix are known only to who runs the file.
  const code = await vitest(
    ["list", "--no-static-parse", ...args, `--json=${output}`],
    env,
    (line) => lines.push(line),
  );
  if (code !== 0) throw new Error(`vitest list exited with ${code}\n${lines.join("\n")}`);
  const found = JSON.parse(await readFile(output, "utf8")) as {
    readonly file: string;
    readonly name: string;
    readonly projectName: string;
  }[];
  return found.map(({ file, name, projectName }) => ({ file, name, project: projectName }));
}

function vitest(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onLine: (line: string) => void,
): Promise<number> {
  const path = join(root, "node_modules", ".bin", "vitest");
  const child = spawn(path, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // A session of its own: what a terminal's Ctrl-C ends, and in which order, is decided here.
    detached: true,
  });
  const print = (stream: Readable) => createInterface({ input: stream }).on("line", onLine);
  print(child.stdout);
  print(child.stderr);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
