import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { exitCodeOf } from "../../src/core/errors.ts";
import type { ResultName } from "../../src/model/result.ts";
import { type Original, Place } from "./place.ts";
import type { Ended, Expected, Row, Trial } from "./row.ts";

const timeoutMs = 60_000;
/** More than the program and its buffers need, and less than what is made to fill the memory. */
const memoryLimitBytes = 900 * 2 ** 20;

/** No engine, no home of a user, no variables but these. */
function environmentOf(place: Place): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: place.at("home"),
    TMPDIR: place.at("tmp"),
    DOCKER_HOST: `unix://${place.at("no-engine.sock")}`,
    AWS_EC2_METADATA_DISABLED: "true",
    GITHUB_OUTPUT: place.at("tmp/output"),
    GITHUB_STATE: place.at("tmp/state"),
    GITHUB_STEP_SUMMARY: place.at("tmp/summary"),
    GITHUB_REPOSITORY: "ada/stack",
    GITHUB_WORKSPACE: place.at("project"),
  };
}

/** Tries one row. @returns what fell short, one line each; nothing if all is as it must be. */
export async function tryRow(row: Row, dist: string, original: Original): Promise<string[]> {
  await using place = await Place.make(original);
  const trial = await row.make(place);
  try {
    // The history of runs tells of this one.
    const changes = ["tmp", "home", "repository/history.jsonl", ...(trial.changes ?? [])];
    const before = place.fingerprint(changes);
    const entry = join(dist, trial.isStep === true ? "main.js" : "cli.js");
    const ended = await runTrial(trial, entry, place);
    if (process.env.HOSTILE_SHOW === "1") {
      console.log(`${row.name}: exit ${ended.code}: ${ended.stdout.slice(0, 400).trim()}`);
    }
    const problems = judge(ended, row.expected);
    if (place.fingerprint(changes) !== before) {
      problems.push(`changed: ${difference(before, place.fingerprint(changes))}`);
    }
    try {
      await trial.after?.(place, ended);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    return problems;
  } finally {
    await trial.undo?.();
  }
}

async function runTrial(trial: Trial, entry: string, place: Place): Promise<Ended> {
  const report = place.at("tmp/peak");
  const node = [process.execPath, "--import", join(import.meta.dirname, "peak.ts"), entry];
  const program = [...node, ...trial.args, ...(trial.isStep === true ? [] : ["--json"])];
  if (trial.isStep === true) {
    for (const name of ["output", "state", "summary"]) await writeFile(place.at(`tmp/${name}`), "");
  }
  const shell = ["sh", "-c", `${trial.before ?? ":"}\nexec "$@"`, "sh"];
  const user =
    trial.user === undefined ? [] : ["setpriv", `--reuid=${trial.user}`, "--clear-groups"]; // no groups of root
  const [command = "", ...args] = [...user, ...shell, ...program];
  const startMs = performance.now();
  const child = spawn(command, args, {
    cwd: place.at("project"),
    env: { ...environmentOf(place), PEAK_REPORT: report, ...trial.env },
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  child.stdin.on("error", () => undefined);
  const { input = "" } = trial;
  if (typeof input === "string" || Buffer.isBuffer(input)) child.stdin.end(input);
  else
    createReadStream(input.file)
      .on("error", () => undefined)
      .pipe(child.stdin);
  const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve([code, signal]));
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code, signal] = await closed;
  const seconds = (performance.now() - startMs) / 1000;
  const peak = /^peak (\d+)$/m.exec(stderr)?.[1] ?? "0";
  const told = stderr.replace(/^peak \d+\n/m, "");
  const ended = { code, signal, stdout, stderr: told, seconds, peakBytes: Number(peak) * 1024 };
  return trial.isStep === true ? await ofStep(ended, place) : ended;
}

/** What a runner sees of a step, without the commands that each step gives it. */
async function ofStep(ended: Ended, place: Place): Promise<Ended> {
  const own = /^::(?:error|warning|notice|group|endgroup)\b.*$/gm;
  const outputs = await readFile(place.at("tmp/output"), "utf8").catch(() => "");
  const [, , json = ""] = /^json<<(\S+)\n([^\n]*)\n\1$/m.exec(outputs) ?? [];
  return { ...ended, stdout: json, stderr: `${ended.stderr}${ended.stdout}`.replaceAll(own, "") };
}

/** What no run may do, and what this one must. */
function judge(ended: Ended, expected: Expected): string[] {
  const { code, signal, stdout, stderr, peakBytes } = ended;
  const problems: string[] = [];
  if (signal !== null) problems.push(`it did not end within ${timeoutMs / 1000} s (${signal})`);
  const said = `${stderr.slice(-600)}${stdout.slice(0, 600)}`;
  const codes = [expected.code].flat();
  if (signal === null && !codes.includes(code as number)) {
    problems.push(`exit ${code} instead of ${codes.join(" or ")}: ${said}`);
  }
  if (peakBytes > memoryLimitBytes) problems.push(`it took ${peakBytes / 2 ** 20} MiB of memory`);
  if (/^\s+at .*:\d+:\d+\)?$/m.test(stderr + stdout) || /please report/i.test(stderr)) {
    problems.push(`it calls it a bug: ${said}`);
  }
  problems.push(...unsafe("standard error", stderr), ...unsafe("standard output", stdout));
  const result = parsed(stdout);
  if (result === undefined) {
    if (signal === null)
      problems.push(`standard output is not one object: ${stdout.slice(0, 300)}`);
    return problems;
  }
  const word = String(result.result);
  if (exitCodeOf[word as ResultName] !== code) {
    problems.push(`the result is ${word}, but the exit code ${code}`);
  }
  const { class: kind = "", message = "" } = result.reason ?? {};
  if (expected.result !== undefined && ![expected.result].flat().includes(word)) {
    problems.push(`the result is ${word} instead of ${expected.result}`);
  }
  if (expected.class !== undefined && ![expected.class].flat().includes(kind)) {
    problems.push(`the class is ${kind} instead of ${expected.class}: ${message}`);
  }
  if (code !== 0 && message.trim() === "") problems.push("it gives no reason");
  if (message.includes("\n")) problems.push("the message has more than one line");
  if (expected.says !== undefined && !expected.says.test(message)) {
    problems.push(`the message lacks ${expected.says}: ${message}`);
  }
  return problems;
}

/** Bytes that do something to a terminal, or a line that a runner obeys. */
function unsafe(where: string, said: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
  const at = said.search(control);
  const problems = at < 0 ? [] : [`${where} has a control character: ${excerpt(said, at)}`];
  const order = said.search(/^\s*::(?!\\)/m);
  return order < 0 ? problems : [...problems, `${where} has a command: ${excerpt(said, order)}`];
}

function excerpt(said: string, at: number): string {
  return JSON.stringify(said.slice(Math.max(0, at - 40), at + 60));
}

interface Parsed {
  readonly result?: unknown;
  readonly reason?: { readonly class?: string; readonly message?: string };
}

function parsed(stdout: string): Parsed | undefined {
  try {
    return stdout.trim().includes("\n") ? undefined : (JSON.parse(stdout) as Parsed);
  } catch {
    return undefined;
  }
}

function difference(before: string, after: string): string {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
  const come = now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  return [...gone, ...come].slice(0, 6).join("; ");
}
