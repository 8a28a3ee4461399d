import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run, type StreamingProcess, spawnStream } from "../core/exec.ts";
import { mountArgument } from "../core/mount.ts";
import type { Reporter } from "../core/reporter.ts";
import type { NamedTask, TaskMount, TaskPlace, TaskRunner } from "../core/task.ts";
import { keeperLabels } from "../model/labels.ts";
import { taskCommand } from "./entry.ts";
import { ensureHelperImage } from "./image.ts";
import { type TaskMessage, unpackError } from "./wire.ts";

/** This program as a helper container starts it. */
export interface HelperEntry {
  /** Absolute path of the script that knows the command `__task`. */
  readonly script: string;
  /** Directories that the script needs, mounted read-only at their own paths. */
  readonly directories: readonly string[];
}

/** What a task runner works with. */
export interface TaskRunnerDeps {
  /** The variables that make `docker` speak to the right engine. */
  readonly environment: Readonly<Record<string, string>>;
  readonly operationId: string;
  readonly entry: HelperEntry;
  readonly reporter: Reporter;
  /** Whose rights this process has; default `process.geteuid()`. */
  readonly uid?: number;
}

/**
 * Runs tasks in this process where it is root and sees the same files, and in a helper container everywhere else.
 * Parameters and results are turned into JSON and back in both, so that they behave alike.
 */
export function createTaskRunner(deps: TaskRunnerDeps): TaskRunner {
  const uid = deps.uid ?? process.geteuid?.() ?? -1;
  let image: Promise<string> | undefined;
  return {
    run: async <P, R>(
      task: NamedTask<P, R>,
      params: P,
      place: TaskPlace,
      signal: AbortSignal = new AbortController().signal,
    ): Promise<R> => {
      signal.throwIfAborted();
      const here = uid === 0 && (await sameFiles(deps, place));
      if (here) {
        const result = await task.run(copy(params), { reporter: deps.reporter, signal });
        return copy(result);
      }
      image ??= ensureHelperImage(deps.environment);
      image.catch(() => {
        image = undefined;
      });
      const request = JSON.stringify({ task: task.name, params });
      return (await runInHelper(deps, await image, request, place, signal)) as R;
    },
  };
}

function copy<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}

/** Whether this process (root) may do it: no other network, no other user, no volume that only its driver mounts. */
async function sameFiles(deps: TaskRunnerDeps, place: TaskPlace): Promise<boolean> {
  if (place.networkOf !== undefined) return false;
  if (place.user !== undefined && place.user !== "0:0") return false;
  for (const { path, volume } of place.mounts) {
    if (volume === undefined) continue;
    const facts = await inspectVolume(deps, volume);
    const plain = facts.Driver === "local" && Object.keys(facts.Options ?? {}).length === 0;
    if (!plain || facts.Mountpoint !== path) return false;
  }
  return true;
}

interface VolumeFacts {
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Options: Readonly<Record<string, string>> | null;
}

/** @throws RefusedError when there is no such volume: `docker run` would silently make an empty one. */
async function inspectVolume(deps: TaskRunnerDeps, volume: string): Promise<VolumeFacts> {
  const args = ["volume", "inspect", "--format", "{{json .}}", volume];
  const options = { addEnv: deps.environment, okCodes: [0, 1] };
  const { stdout, stderr, exitCode } = await run("docker", args, options);
  if (exitCode === 0) return JSON.parse(stdout) as VolumeFacts;
  throw new RefusedError(`there is no volume ${volume}`, {
    class: "no-volume",
    evidence: stderr.trim(),
  });
}

/** The arguments of `docker` that start a helper; parameters travel on its standard input. */
export function helperArguments(
  image: string,
  name: string,
  place: TaskPlace,
  deps: Pick<TaskRunnerDeps, "entry" | "operationId">,
): string[] {
  const directories = deps.entry.directories.map((path) => ({ path, readOnly: true }));
  const network = place.networkOf === undefined ? "none" : `container:${place.networkOf}`;
  return [
    ...["run", "--rm", "--interactive", "--pull", "never", "--name", name],
    ...["--label", `${keeperLabels.operation}=${deps.operationId}`],
    ...["--label", `${keeperLabels.kind}=helper`],
    ...["--network", network, "--security-opt", "label=disable", "--log-driver", "none"],
    ...["--user", place.user ?? "0:0", "--tmpfs", "/tmp", "--workdir", "/"],
    ...mergeMounts([...place.mounts, ...directories]).flatMap((m) => ["--mount", mountOf(m)]),
    ...["--entrypoint", "node", image, deps.entry.script, taskCommand],
  ];
}

/** One mount a path; writable when anything needs it to be. */
function mergeMounts(mounts: readonly TaskMount[]): TaskMount[] {
  const merged = new Map<string, TaskMount>();
  for (const mount of mounts) {
    const before = merged.get(mount.path);
    const readOnly = mount.readOnly && before?.readOnly !== false;
    merged.set(mount.path, { ...before, ...mount, readOnly });
  }
  return [...merged.values()];
}

function mountOf({ path, readOnly, volume }: TaskMount): string {
  return mountArgument({ source: volume ?? path, target: path, readOnly });
}

async function runInHelper(
  deps: TaskRunnerDeps,
  image: string,
  request: string,
  place: TaskPlace,
  signal: AbortSignal,
): Promise<unknown> {
  for (const { volume } of place.mounts)
    if (volume !== undefined) await inspectVolume(deps, volume);
  const name = `sophon-keeper-helper-${randomUUID()}`;
  const args = helperArguments(image, name, place, deps);
  // The client passes SIGTERM on to the task, which then undoes what it began.
  const helper = spawnStream("docker", args, {
    addEnv: deps.environment,
    pipeInput: true,
    signal,
  });
  const ended = helper.done.then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    helper.stdin.end(request);
    const last = await readMessages(helper, deps.reporter);
    const failure = await ended;
    signal.throwIfAborted();
    if (last?.type === "result") return last.value;
    if (last?.type === "error") throw unpackError(last.error);
    throw explain(failure);
  } finally {
    // Ended well, `--rm` has removed it; a client that was killed leaves it running.
    if ((await ended) !== undefined) {
      const options = { addEnv: deps.environment, okCodes: [0, 1] };
      await run("docker", ["rm", "--force", "--volumes", name], options);
    }
  }
}

async function readMessages(
  helper: StreamingProcess,
  reporter: Reporter,
): Promise<TaskMessage | undefined> {
  let last: TaskMessage | undefined;
  for await (const line of createInterface({ input: helper.stdout })) {
    const message = JSON.parse(line) as TaskMessage;
    if (message.type === "result" || message.type === "error") last = message;
    else reporter[message.type](message.text);
  }
  return last;
}

/** Why a helper ended without a word. */
function explain(failure: unknown): Error {
  if (failure instanceof ExecError) {
    const missing = /bind source path does not exist: (.*)/.exec(failure.stderr)?.[1];
    if (missing !== undefined)
      return new RefusedError(`${missing.trim().replace(/\.$/, "")} does not exist on this host`, {
        class: "no-path",
        cause: failure,
      });
    return new Error("the helper container ended without a result", { cause: failure });
  }
  return new Error("the helper container ended without a result");
}
