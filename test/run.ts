import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { temporaryDirectory } from "../src/core/temp.ts";

// Runs the projects of vitest.config.ts one after another, so that heavy tests do not disturb each other,
// and ends with one line that counts all. `npm test contract` runs one, `npm test unit retention` a part of it.

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}
interface FileReport {
  readonly name: string;
  readonly status: string;
  readonly message?: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages?: readonly string[];
  }[];
}

const root = join(import.meta.dirname, "..");
const all = ["unit", "contract", "e2e", "engine"];
const words = process.argv.slice(2);
const chosen = all.filter((name) => words.includes(name));
const filters = words.filter((word) => !all.includes(word));

const counts: Counts[] = [];
for (const project of chosen.length === 0 ? all : chosen) {
  const start = performance.now();
  counts.push(await runProject(project));
  console.log(`${project}: ${((performance.now() - start) / 1000).toFixed(0)} s\n`);
}
const failures = counts.flatMap((count) => count.failures);
if (failures.length > 0) console.log(`Failed:\n${failures.join("\n")}\n`);
const sum = (key: "passed" | "failed" | "skipped") =>
  counts.reduce((total, count) => total + count[key], 0);
const skipped = sum("skipped");
console.log(
  `${sum("passed")} passed, ${sum("failed")} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`,
);
process.exitCode = sum("failed") === 0 && sum("passed") > 0 ? 0 : 1;

async function runProject(project: string): Promise<Counts> {
  await using temporary = await temporaryDirectory("sophon-keeper-test-");
  const output = join(temporary.path, "report.json");
  const args = ["run", "--project", project, "--reporter=default", "--reporter=json"];
  const passes = filters.length > 0 ? ["--passWithNoTests"] : [];
  // Real servers and tools on a machine that others load, too: in CI a test of theirs gets a second try.
  const retries = project !== "unit" && process.env.CI === "true" ? ["--retry=1"] : [];
  const given = [...passes, ...retries, ...filters];
  const code = await vitest([...args, `--outputFile.json=${output}`, ...given]);
  const report = await readFile(output, "utf8").catch(() => undefined);
  const files = report === undefined ? [] : (JSON.parse(report).testResults as FileReport[]);
  const counted = count(project, files);
  if (code === 0 || counted.failed > 0) return counted;
  // A setup that failed, or an error outside any test: never to be read as good.
  const what = `  ${project}: vitest exited with ${code}, see above`;
  return { ...counted, failed: 1, failures: [what] };
}

function vitest(args: readonly string[]): Promise<number> {
  const path = join(root, "node_modules", ".bin", "vitest");
  const child = spawn(path, args, { cwd: root, stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

function count(project: string, files: readonly FileReport[]): Counts {
  const tests = files.flatMap((file) => file.assertionResults);
  const failedTests = files.flatMap((file) => {
    const name = `${project}: ${relative(root, file.name)}`;
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0 && file.status === "failed") {
      return [`  ${name}\n      ${firstLine(file.message)}`];
    }
    return failed.map(
      (test) => `  ${name}: ${test.fullName}\n      ${firstLine(test.failureMessages?.[0])}`,
    );
  });
  const passed = tests.filter((test) => test.status === "passed").length;
  const skipped = tests.filter((test) => !["passed", "failed"].includes(test.status)).length;
  return { passed, failed: failedTests.length, skipped, failures: failedTests };
}

function firstLine(text: string | undefined): string {
  return (text ?? "").split("\n")[0] ?? "";
}
