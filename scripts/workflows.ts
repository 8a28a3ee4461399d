import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { outputs } from "../src/action/outputs.ts";
import { actionInputs, offeredModes } from "../src/action/step-inputs.ts";
import { commands } from "../src/wiring/commands.ts";

interface Step {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Workflow {
  readonly permissions?: unknown;
  readonly jobs?: Readonly<
    Record<string, { readonly permissions?: unknown; readonly steps?: readonly Step[] }>
  >;
}

/** Lints our workflows and the examples, also with actionlint and zizmor if they are installed. */
export async function lintWorkflows(root: string): Promise<string[]> {
  const problems: string[] = [];
  const linted: string[] = [];
  for (const folder of [".github/workflows", "examples"]) {
    const files = await readdir(join(root, folder)).catch(() => []);
    for (const file of files.filter((name) => name.endsWith(".yml"))) {
      const path = join(folder, file);
      const text = await readFile(join(root, path), "utf8");
      // Not every example is a workflow.
      if (folder === "examples" && !/^jobs:/m.test(text)) continue;
      linted.push(path);
      problems.push(...lint(text).map((problem) => `${path}: ${problem}`));
    }
  }
  return [...problems, ...actionlint(root, linted), ...zizmor(root)];
}

function lint(text: string): string[] {
  const workflow = parse(text) as Workflow;
  const problems: string[] = [];
  if (workflow.permissions === undefined) problems.push("no top-level permissions");
  for (const [name, job] of Object.entries(workflow.jobs ?? {})) {
    for (const step of job.steps ?? []) {
      if (step.uses !== undefined)
        problems.push(...lintUse(step).map((wrong) => `${name}: ${wrong}`));
    }
  }
  for (const [, name] of text.matchAll(/steps\.keeper\.outputs\.([\w-]+)/g)) {
    if (!outputs.some((output) => output.name === name)) problems.push(`no output ${name}`);
  }
  for (const [line] of text.matchAll(/^.*uses:\s*[^.\s]\S*@[0-9a-f]{40}[ \t]*$/gm)) {
    problems.push(`${line.trim()}: a comment should tell the version`);
  }
  return problems;
}

function lintUse(step: Step): string[] {
  const uses = step.uses ?? "";
  if (/^sophon-keeper\/|\/sophon-keeper@|^\.\/?$/.test(uses)) return lintOurs(step);
  if (uses.startsWith("./")) return [];
  return /@[0-9a-f]{40}$/.test(uses) ? [] : [`${uses} is not pinned to a commit`];
}

/** Checks a step that uses our action: every input and the mode must exist. */
function lintOurs(step: Step): string[] {
  const modes = offeredModes(commands);
  const known: string[] = ["mode", ...actionInputs(modes).map(([name]) => name)];
  const wrong = Object.keys(step.with ?? {}).filter((name) => !known.includes(name));
  const mode = String(step.with?.mode);
  const problems = wrong.map((name) => `no input ${name}`);
  return modes.some((offered) => offered === mode) ? problems : [...problems, `no mode ${mode}`];
}

function actionlint(root: string, files: readonly string[]): string[] {
  const ended = spawnSync("actionlint", ["-no-color", ...files], { cwd: root, encoding: "utf8" });
  if (ended.error !== undefined) {
    console.log("       (actionlint is not installed: only our own rules were looked at)");
    return [];
  }
  return ended.status === 0 ? [] : [ended.stdout + ended.stderr];
}

/** The security audit of our workflows, if it is installed (`pip install zizmor`). The examples name a tag that moves. */
function zizmor(root: string): string[] {
  const args = ["--offline", "--pedantic", "--no-progress", ".github/workflows"];
  const ended = spawnSync("zizmor", args, { cwd: root, encoding: "utf8" });
  if (ended.error !== undefined) {
    console.log("       (zizmor is not installed: the workflows were not audited)");
    return [];
  }
  return ended.status === 0 ? [] : [ended.stdout + ended.stderr];
}
