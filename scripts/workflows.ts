import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { outputs } from "../src/action/outputs.ts";
import { actionInputs, offeredModes } from "../src/action/step-inputs.ts";
import { commands } from "../src/wiring/commands.ts";
import { findActionlint } from "../test/lab/act.ts";
import { ensureZizmor } from "../test/lab/zizmor.ts";

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

/** Lints our workflows and the examples, also with zizmor, which it installs, and with actionlint where there is Go to build it. */
export async function lintWorkflows(root: string): Promise<string[]> {
  const problems: string[] = [];
  const linted: string[] = [];
  const pins: Pin[] = [];
  for (const folder of [".github/workflows", "examples"]) {
    const files = await readdir(join(root, folder)).catch(() => []);
    for (const file of files.filter((name) => name.endsWith(".yml"))) {
      const path = join(folder, file);
      const text = await readFile(join(root, path), "utf8");
      // Not every example is a workflow.
      if (folder === "examples" && !/^jobs:/m.test(text)) continue;
      linted.push(path);
      problems.push(...lint(text).map((problem) => `${path}: ${problem}`));
      pins.push(...pinsIn(path, text));
    }
  }
  for (const page of ["README.md", ...(await readdir(join(root, "docs"))).map(inDocs)]) {
    if (!page.endsWith(".md")) continue;
    const text = await readFile(join(root, page), "utf8");
    problems.push(...lintPage(text).map((problem) => `${page}: ${problem}`));
    pins.push(...pinsIn(page, text));
  }
  problems.push(...differingPins(pins));
  const examples = linted.filter((path) => path.startsWith("examples"));
  problems.push(...(await actionlint(root, linted)));
  return [...problems, ...(await zizmor(root, examples))];
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

/** An action at a commit, and the version that a comment tells. */
export interface Pin {
  readonly path: string;
  readonly repository: string;
  readonly at: string;
}

/** Every pinned action of a workflow or a page. */
export function pinsIn(path: string, text: string): Pin[] {
  const uses = text.matchAll(/uses:[ \t]*([\w.-]+\/[\w.-]+)\S*@([0-9a-f]{40}[ \t]+# v\S+)/g);
  return [...uses].map(([, repository = "", at = ""]) => ({ path, repository, at }));
}

/** Dependabot changes workflows and examples; what it does not change must follow. */
export function differingPins(pins: readonly Pin[]): string[] {
  return pins.flatMap(({ path, repository, at }) => {
    const first = pins.find((one) => one.repository === repository);
    if (first === undefined || first.at === at) return [];
    return [`${path}: ${repository} is pinned to ${at}, and in ${first.path} to ${first.at}`];
  });
}

function inDocs(name: string): string {
  return join("docs", name);
}

function isOurs(uses: string): boolean {
  return /^sophon-keeper\/|\/sophon-keeper@|^\.\/?$/.test(uses);
}

/** The workflows that a page shows are copied, too. */
function lintPage(text: string): string[] {
  const uses = [...text.matchAll(/^[ \t]*(?:- )?uses:[ \t]*([^.\s]\S*@\S+)(.*)$/gm)];
  return uses.flatMap(([, use = "", rest = ""]) =>
    isOurs(use) || (/@[0-9a-f]{40}$/.test(use) && /# v\d/.test(rest))
      ? []
      : [`${use}: pin it to a commit, with the version as a comment`],
  );
}

function lintUse(step: Step): string[] {
  const uses = step.uses ?? "";
  if (isOurs(uses)) return lintOurs(step);
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

/** What actionlint says. Without Go it is left to `npm test action`, which brings Go along: that takes a minute. */
async function actionlint(root: string, files: readonly string[]): Promise<string[]> {
  const found = await findActionlint();
  if (found === undefined) {
    console.log("       (actionlint needs Go, which is not here: npm test action runs it)");
    return [];
  }
  return outputOf(root, [found, "-no-color", "-shellcheck=", ...files]);
}

/** The security audit of our workflows and of the examples, which people copy. In CI it must run. */
async function zizmor(root: string, examples: readonly string[]): Promise<string[]> {
  let program: string;
  try {
    program = await ensureZizmor();
  } catch (error) {
    if (isSet(process.env.CI)) throw error;
    console.log(`       (zizmor cannot be installed, so nothing was audited: ${error})`);
    return [];
  }
  const quiet = ["--offline", "--pedantic", "--no-progress", "--quiet", "--color=never"];
  return [
    ...outputOf(root, [program, ...quiet, ".github/workflows", "action.yml"]),
    ...outputOf(root, [program, ...quiet, "--config", "scripts/zizmor-examples.yml", ...examples]),
  ];
}

function outputOf(root: string, [program = "", ...args]: readonly string[]): string[] {
  const ended = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  if (ended.error !== undefined) throw ended.error;
  return ended.status === 0 ? [] : [ended.stdout + ended.stderr];
}

function isSet(variable: string | undefined): boolean {
  return variable !== undefined && variable !== "" && variable !== "false";
}
