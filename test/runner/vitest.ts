import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { runningVariable } from "../lab/state.ts";
import { isInterrupted } from "../lab/test-run.ts";
import { setUpVariable } from "../lab/up.ts";
import { type ReportLine, reportVariable } from "./each-file.ts";
import { type FileReport, root } from "./report.ts";
import { endStalled, nowRunning, type Stalled } from "./stalls.ts";

/** Marks the tests that only `npm run test:exhaustive` runs. */
export const exhaustiveTag = "exhaustive";

/** What each of many runs would say of itself. */
const isNoise = /^\s*$|RUN|Start at/;

/** For the last lines of a vitest that has ended. */
const outputMs = 10_000;

const runningDirectories = new Set<string>();

/** How one run of vitest ended. */
export interface VitestRun {
  readonly code: number;
  readonly seconds: number;
  /** Those that ended. */
  readonly files: readonly FileReport[];
  /** The files that it was to run and that did not end; undefined when it ended before it knew which there are. */
  readonly missing: readonly string[] | undefined;
  /** What had to be ended. */
  readonly stalled: Stalled;
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A file that takes longer is taken to be blocked. */
  readonly fileLimitMs?: number;
}

/** Runs vitest once. Its lines are printed as they come, each behind `label`, since several may run side by side. */
export async function runVitest(
  label: string,
  args: readonly string[],
  { env = {}, fileLimitMs = Number.POSITIVE_INFINITY }: RunOptions,
): Promise<VitestRun> {
  await using temporary = await temporaryDirectory("sophon-keeper-test-");
  const output = join(temporary.path, "report.jsonl");
  const running = join(temporary.path, "running");
  await mkdir(running);
  const started = performance.now();
  const ended = new AbortController();
  const hung = new AbortController();
  const limits = { fileLimitMs, endVitest: () => hung.abort() };
  const stalls = endStalled(running, limits, ended.signal);
  runningDirectories.add(running);
  const all = { ...env, [runningVariable]: running, [reportVariable]: output };
  const print = (line: string) => {
    if (!isNoise.test(line)) console.log(`${label} ${line}`);
  };
  const command = ["run", ...args];
  const code = await vitest(command, all, print, hung.signal).finally(() => {
    ended.abort();
    runningDirectories.delete(running);
  });
  const stalled = await stalls;
  const seconds = (performance.now() - started) / 1000;
  return { code, seconds, ...(await readReport(output)), stalled };
}

async function readReport(path: string): Promise<Pick<VitestRun, "files" | "missing">> {
  const text = await readFile(path, "utf8").catch(() => "");
  // The last line may be cut off.
  const lines = text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ReportLine);
  const files = lines.flatMap((line) => ("report" in line ? line.report : []));
  const planned = lines.find((line) => "planned" in line)?.planned;
  const ended = new Set(files.map(({ name }) => name));
  return { files, missing: planned?.filter((name) => !ended.has(name)) };
}

/**
 * Like {@link runVitest}. In CI what was ended because it was blocked, and what was cut off with it, gets a second try,
 * as every test there.
 */
export async function runVitestTwice(
  label: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<VitestRun> {
  const first = await runVitest(label, args, options);
  const again = first.missing && new Set([...first.stalled.files, ...first.missing]);
  if (process.env.CI !== "true" || again?.size === 0) return first;
  const second = await runVitest(label, [...args, ...(again ?? [])], options);
  const others = first.files.filter(({ name }) => again?.has(name) === false);
  const seconds = first.seconds + second.seconds;
  return { ...second, seconds, files: [...others, ...second.files] };
}

/** What all vitest that are at work now do, one line each, for a run that has to end before they do. */
export async function tellRunning(): Promise<string[]> {
  const found = await Promise.all([...runningDirectories].map(nowRunning));
  return found.flat().map(({ file, test }) => `${relative(root, file)}: ${test ?? "no test"}`);
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
  kill?: AbortSignal,
): Promise<number> {
  // This process is about to end with all that it started. A vitest that ended with it must not be tried again.
  if (isInterrupted()) return new Promise(() => {});
  const path = join(root, "node_modules", ".bin", "vitest");
  const child = spawn(path, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // A session of its own: what a terminal's Ctrl-C ends, and in which order, is decided here.
    detached: true,
    ...(kill && { signal: kill, killSignal: "SIGKILL" as const }),
  });
  const print = (stream: Readable) => createInterface({ input: stream }).on("line", onLine);
  print(child.stdout);
  print(child.stderr);
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      if (error.name !== "AbortError") reject(error);
    });
    child.once("close", (code) => resolve(code ?? 1));
    // A process that a test left behind may hold its output open.
    child.once("exit", (code) => setTimeout(() => resolve(code ?? 1), outputMs).unref());
  });
}
