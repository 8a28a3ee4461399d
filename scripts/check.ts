import { spawnSync } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../src/core/temp.ts";
import { bundle } from "./bundle.ts";
import { renderDocuments } from "./documents.ts";
import { unusedExports } from "./exports.ts";
import { layerProblems } from "./layers.ts";
import { nameProblems } from "./names.ts";
import { findTraces } from "./traces.ts";
import { versionProblems } from "./version.ts";
import { lintWorkflows } from "./workflows.ts";
import { writeProblems } from "./writes.ts";

/** Everything that must hold before a change is merged; the same command runs in CI. */
const checks: readonly [name: string, problems: () => string[] | Promise<string[]>][] = [
  ["format and lint", () => tool("biome", ["ci", "--colors=off", "--error-on-warnings", "."])],
  ["types", () => tool("tsc", ["--noEmit"])],
  ["every folder has its layer", () => layerProblems(root)],
  ["a base name occurs once", () => nameProblems(root)],
  ["files are written by the helper", () => writeProblems(root)],
  ["exports are imported", () => unusedExports(root)],
  ["docs equal to the tables", checkDocuments],
  ["workflows", () => lintWorkflows(root)],
  ["versions and tags agree", () => versionProblems(root)],
  ["lock file and machine traces", () => findTraces(root)],
  ["dist equal to a fresh build", checkDist],
  ...unitTests(),
];

const root = join(import.meta.dirname, "..");
let failed = 0;
for (const [name, problems] of checks) {
  const start = performance.now();
  const found = await attempt(problems);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${found.length === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  for (const problem of found) console.log(`  ${problem.replaceAll("\n", "\n  ")}`);
  if (found.length > 0) failed += 1;
}
console.log(failed === 0 ? "all checks passed" : `${failed} of ${checks.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** With `--without-unit`, for who runs them with all other tests, they are left out. */
function unitTests(): typeof checks {
  if (process.argv.includes("--without-unit")) return [];
  return [["unit tests", () => tool("vitest", ["run", "--project", "unit"])]];
}

/** A check that throws has found a problem, too. */
async function attempt(problems: () => string[] | Promise<string[]>): Promise<string[]> {
  try {
    return await problems();
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}

function tool(name: string, args: readonly string[]): string[] {
  const path = join(root, "node_modules", ".bin", name);
  const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined };
  const ended = spawnSync(path, args, { cwd: root, encoding: "utf8", env, maxBuffer: 2 ** 28 });
  if (ended.status === 0) return [];
  return [`${name} ${args.join(" ")}\n${ended.stdout ?? ""}${ended.stderr ?? ""}`.trimEnd()];
}

async function checkDocuments(): Promise<string[]> {
  const problems: string[] = [];
  for (const [file, text] of await renderDocuments()) {
    const present = await readFile(join(root, file), "utf8").catch(() => "");
    if (present !== text) problems.push(`${file} is out of date: npm run docs`);
  }
  return problems;
}

/** The bytes of a file, and whether it is executable. */
async function file(path: string): Promise<string> {
  const { mode } = await stat(path);
  return `${(mode & 0o100) !== 0} ${await readFile(path, "latin1")}`;
}

async function checkDist(): Promise<string[]> {
  await using fresh = await temporaryDirectory("sophon-keeper-dist-");
  await bundle(fresh.path);
  const dist = join(root, "dist");
  const names = new Set([...(await readdir(fresh.path)), ...(await readdir(dist).catch(() => []))]);
  const differing: string[] = [];
  for (const name of names) {
    const read = (directory: string) => file(join(directory, name)).catch(() => undefined);
    const [wanted, present] = [await read(fresh.path), await read(dist)];
    if (wanted === undefined || wanted !== present) {
      differing.push(`dist/${name} differs from a fresh build: npm run build`);
    }
  }
  return differing;
}
