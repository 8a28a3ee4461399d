import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { diff } from "../lab/compare.ts";
import { asDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { compiled, program } from "../lab/program.ts";
import { run } from "../lab/run.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";
import { until } from "../lab/step.ts";
import type { Caller } from "./support/keeper.ts";
import { remainsOf } from "./support/remains.ts";

/** Generous: the machine may be busy with other tests. */
const stepMs = 240_000;

/** The command line: what a test kills is one process. */
export function startKeeper(args: readonly string[], as: Caller = "root") {
  const plain = [process.execPath, program, ...args, "--json"];
  const [command = "", ...rest] = as === "root" ? plain : asDockerUser(plain);
  const { PATH, HOME, TMPDIR, DOCKER_HOST } = process.env;
  const child = spawn(command, rest, {
    env: {
      ...{ PATH, HOME, NODE_COMPILE_CACHE: compiled },
      ...(TMPDIR === undefined ? {} : { TMPDIR }),
      ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const out = Promise.all([text(child.stdout), text(child.stderr)]);
  const done = (async () => {
    const [stdout, stderr] = await out;
    const result = stdout === "" ? undefined : (JSON.parse(stdout) as Record<string, unknown>);
    return { code: await code, result, stderr };
  })();
  return { child, done };
}

/** The arguments that every command on a lab stack has. */
export function stackArguments(stack: LabStack): string[] {
  return ["--project-directory", stack.directory, "--repository", repository(stack)];
}

export function repository(stack: LabStack): string {
  return join(stack.scratch, "repository");
}

/** Upgrades the gateway of a lab stack. */
export function upgrade(stack: LabStack, reference: string, ...more: readonly string[]) {
  return startKeeper(upgradeArguments(stack, reference, ...more));
}

/**
 * Upgrades it to a version that is bad after a moment. The soak is long enough for any machine to come to that moment;
 * it costs no time, since a failure is told at once.
 */
export function upgradeToBad(stack: LabStack, reference: string, ...more: readonly string[]) {
  return upgrade(stack, reference, "--soak", "30s", ...more);
}

/** The arguments of {@link upgrade}. */
export function upgradeArguments(stack: LabStack, reference: string, ...more: readonly string[]) {
  const soak = more.includes("--soak") ? [] : ["--soak", "3s"];
  const images = more.includes("--images") ? [] : ["--images", `sophon-gateway=${reference}`];
  return ["upgrade-test", ...stackArguments(stack), ...images, ...soak, ...more];
}

/** Finishes or undoes what is unfinished; the project is named, since its containers may be gone. */
export function startRecover(stack: LabStack) {
  return startKeeper(["recover", ...stackArguments(stack), "--project-name", stack.projectName]);
}

/** The journals of upgrades by id, oldest first, each as its steps so far: `phase/step`. */
function journals(stack: LabStack): Map<string, readonly string[]> {
  const directory = join(repository(stack), "operations");
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".jsonl"));
  } catch {
    return new Map();
  }
  const found = names.toSorted().map((name): [string, string] => {
    try {
      return [name, readFileSync(join(directory, name), "utf8")];
    } catch {
      // It was just being made.
      return [name, ""];
    }
  });
  const upgrades = found.filter(([, content]) => content.includes('"operation":"upgrade-test"'));
  return new Map(upgrades.map(([name, content]) => [name, stepsOf(content)]));
}

function stepsOf(journal: string): string[] {
  return journal.split("\n").flatMap((line) => {
    if (line === "") return [];
    try {
      const { phase, step } = JSON.parse(line) as { phase: string; step: string };
      return [`${phase}/${step}`];
    } catch {
      // A torn last line.
      return [];
    }
  });
}

/** The steps of the last upgrade so far, as `phase/step`. */
export function journalSteps(stack: LabStack): readonly string[] {
  return [...journals(stack).values()].at(-1) ?? [];
}

/** A run of the command line. */
export type Running = ReturnType<typeof startKeeper>;

/**
 * Resolves when the journal tells a step that it did not tell when `begin` was called, or when the run has ended: a
 * test must do with either.
 */
export async function atStep<Run extends Pick<Running, "child"> & { done: Promise<unknown> }>(
  stack: LabStack,
  step: string,
  begin: () => Run,
): Promise<Run> {
  const before = journals(stack);
  const running = begin();
  let ended = false;
  void running.done.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  const told = () =>
    [...journals(stack)].some(([id, steps]) =>
      steps.slice(before.get(id)?.length ?? 0).includes(step),
    );
  await until(
    step,
    stepMs,
    async () => ended || told(),
    async () => journalSteps(stack).join(" "),
  );
  return running;
}

/** Kills a run with SIGKILL as soon as a step's line is on the disk. */
export async function killAt(stack: LabStack, step: string, begin: () => Running) {
  const running = await atStep(stack, step, begin);
  running.child.kill("SIGKILL");
  return await running.done;
}

/** Name, image id and state of every container, as the engine tells it. */
export async function containersOf(stack: LabStack): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${stack.projectName}`;
  const ids = (await run(["docker", "ps", "--all", "--quiet", "--filter", filter])).split("\n");
  const format =
    "{{.Id}} {{.Name}} {{.Image}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}}";
  const wanted = ids.filter((id) => id !== "");
  return (await run(["docker", "inspect", "--format", format, ...wanted]))
    .trim()
    .split("\n")
    .sort();
}

/** The same without the ids, which a new container of the old image has not. */
export async function statesOf(stack: LabStack): Promise<string[]> {
  const states = (await containersOf(stack)).map((line) => line.slice(line.indexOf(" ") + 1));
  return states.sort((a, b) => (a < b ? -1 : 1));
}

/** All of a stack that an upgrade may change. */
export interface StackSeen {
  readonly content: Snapshot;
  readonly states: readonly string[];
  /** The texts of the project's files by name. */
  readonly files: Readonly<Record<string, string>>;
}

/** Looks at a stack that nobody writes to. */
export async function look(stack: LabStack): Promise<StackSeen> {
  return {
    content: await snapshot(stack),
    states: await statesOf(stack),
    files: projectFiles(stack),
  };
}

/**
 * The stack is what it was: every store by content, images, run states and restart policies, the project's files. It
 * is healthy, nothing of an operation is left, and a plain `up` finds nothing to do.
 */
export async function expectAsBefore(
  stack: LabStack,
  before: StackSeen,
  what: string,
  up: readonly string[] = ["--detach"],
) {
  expect(await statesOf(stack), what).toEqual(before.states);
  expect(diff(before.content, await snapshot(stack)), what).toEqual([]);
  expect(projectFiles(stack), what).toEqual(before.files);
  await expectAtRest(stack, what, up);
}

/**
 * It is healthy, nothing of an operation is left, and a plain `up` finds nothing to do; `up` is how it is asked, where
 * something is stopped and has to stay so.
 */
export async function expectAtRest(
  stack: LabStack,
  what: string,
  up: readonly string[] = ["--detach"],
) {
  expect((await fetch(`${stack.gatewayUrl}/api/health`)).status, what).toBe(200);
  expect(await leftOf(stack), what).toEqual([]);
  const before = await containersOf(stack);
  // The engine calls a server that was frozen unhealthy until it asks it again, and Compose believes that.
  const label = `label=com.docker.compose.project=${stack.projectName}`;
  const list = ["docker", "ps", "--quiet", "--filter", label, "--filter", "health=unhealthy"];
  await until("no server is called unhealthy", 60_000, async () => (await run(list)).trim() === "");
  await stack.compose(["up", ...up]);
  expect(await containersOf(stack), what).toEqual(before);
}

/** What an upgrade leaves on the host but backups, ended journals, and what a failed version wrote. */
async function leftOf(stack: LabStack): Promise<string[]> {
  const places = [dirname(stack.dataDir), stack.dataDir, stack.directory, repository(stack)];
  const beside = places.flatMap((place) =>
    readdirSync(place)
      .filter((name) => name.includes("sophon-keeper-rollback") || name.endsWith(".sophon-keeper"))
      .map((name) => `${place}: ${name}`),
  );
  const texts = join(repository(stack), "upgrades");
  const work = (existsSync(texts) ? readdirSync(texts) : []).map((id) => `texts of ${id}`);
  const open = [...journals(stack)].filter(([, steps]) => steps.at(-1) !== "closed/closed");
  const kept = await run(["docker", "images", "--quiet", "--filter", keptImages(stack)]);
  return [
    ...(await remainsOf(stack, repository(stack))),
    ...beside,
    ...work,
    ...open.map(([id]) => `open journal ${id}`),
    ...(kept.trim() === "" ? [] : [`kept images: ${kept}`]),
  ];
}

function keptImages({ projectName }: LabStack): string {
  return `reference=sophon-keeper/keep:${projectName}-*`;
}

function projectFiles({ directory }: LabStack): Record<string, string> {
  const names = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map(({ name }) => [name, readFileSync(join(directory, name), "utf8")]),
  );
}

/**
 * One stack for several tests, each of which leaves it as it was. One that fails takes the stack with it: the next, or
 * its own second try, begins with another, and never compares with what is broken already.
 */
export function sharedStack(make: () => Promise<LabStack>) {
  let current: { readonly stack: LabStack; readonly before: StackSeen } | undefined;
  const remove = async () => {
    const { stack } = current ?? {};
    current = undefined;
    await stack?.down();
  };
  return {
    use: async (test: (stack: LabStack, before: StackSeen) => Promise<unknown>) => {
      if (current === undefined) {
        const stack = await make();
        current = { stack, before: await look(stack) };
      }
      try {
        // On the new version there is nothing more to come back to.
        if ((await test(current.stack, current.before)) === "new") await remove();
      } catch (error) {
        await remove();
        throw error;
      }
    },
    remove,
  };
}
