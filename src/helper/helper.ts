import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run, type StreamingProcess, spawnStream } from "../core/exec.ts";
import { mountArgument } from "../core/mount.ts";
import type { Reporter } from "../core/reporter.ts";
import type { TaskMount, TaskPlace } from "../core/task.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { taskCommand } from "./entry.ts";
import { type TaskMessage, type TaskRequest, unpackError } from "./wire.ts";

/** This program as a helper container starts it. */
export interface HelperEntry {
  /** Absolute path of the script that knows the command `__task`. */
  readonly script: string;
  /** Directories that the script needs, mounted read-only at their own paths. */
  readonly directories: readonly string[];
}

/** What starting a helper needs. */
export interface HelperDeps {
  /** The variables that make `docker` speak to the right engine. */
  readonly environment: Readonly<Record<string, string>>;
  readonly operationId: string;
  readonly entry: HelperEntry;
  readonly reporter: Reporter;
}

/** The program in a helper container. */
export interface HelperProcess extends Pick<StreamingProcess, "stdin" | "stdout"> {
  /** Asks it to end now; the program undoes what it began. */
  kill(): void;
  /** Resolves when nothing of it is left: to undefined where it ended well, else to the error. */
  readonly ended: Promise<unknown>;
}

/** A helper container that runs one task after the other. */
export interface Helper {
  readonly place: TaskPlace;
  /** It runs a task, or has ended. */
  readonly isTaken: () => boolean;
  /** @throws what the task throws, and the signal's reason when it is aborted; the helper has ended then. */
  run(request: TaskRequest, signal: AbortSignal): Promise<unknown>;
  /** Lets it end, and waits until its container has gone. Safe to call twice. */
  end(): Promise<void>;
}

/**
 * Starts the program in a helper container. It ends when its standard input does, which is also how it learns that this
 * process was killed.
 */
export function startProcess(deps: HelperDeps, image: string, place: TaskPlace): HelperProcess {
  const name = `sophon-keeper-helper-${randomUUID()}`;
  const { stdin, stdout, kill, done } = spawnStream(
    "docker",
    helperArguments(image, name, place, deps),
    { addEnv: deps.environment, pipeInput: true },
  );
  const ended = done.then(
    // Ended well, `--rm` has removed it; a client that was killed leaves it running.
    () => undefined,
    async (error: unknown) => {
      const options = { addEnv: deps.environment, okCodes: [0, 1] };
      await run("docker", ["rm", "--force", "--volumes", name], options);
      return error;
    },
  );
  ended.catch(() => undefined);
  return { stdin, stdout, kill: () => kill(), ended };
}

/** Starts a helper that runs tasks. */
export function startHelper(deps: HelperDeps, image: string, place: TaskPlace): Helper {
  const client = startProcess(deps, image, place);
  const messages = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  let isBusy = false;
  let isOver = false;
  const gone = client.ended.finally(() => {
    isOver = true;
  });
  gone.catch(() => undefined);
  return {
    place,
    isTaken: () => isBusy || isOver,
    run: async (request, signal) => {
      signal.throwIfAborted();
      isBusy = true;
      // The client passes SIGTERM on to the task, which then undoes what it began.
      const abort = () => client.kill();
      signal.addEventListener("abort", abort, { once: true });
      try {
        client.stdin.write(`${JSON.stringify(request)}\n`);
        const last = await nextResult(messages, deps.reporter).catch((error: unknown) => {
          // What it says cannot be read: the next task must not be given the answer of this one.
          isOver = true;
          client.kill();
          throw error;
        });
        if (signal.aborted) await gone;
        signal.throwIfAborted();
        if (last?.type === "result") return last.value;
        if (last?.type === "error") throw unpackError(last.error);
        throw explain(await gone);
      } finally {
        signal.removeEventListener("abort", abort);
        isBusy = false;
      }
    },
    end: async () => {
      isOver = true;
      client.stdin.end();
      await gone;
    },
  };
}

/** The message that ends a task; undefined when the helper ends without one. */
async function nextResult(
  messages: AsyncIterator<string>,
  reporter: Reporter,
): Promise<Extract<TaskMessage, { type: "result" | "error" }> | undefined> {
  for (;;) {
    const { done, value: line } = await messages.next();
    if (done === true) return undefined;
    const message = JSON.parse(line) as TaskMessage;
    if (message.type === "result" || message.type === "error") return message;
    if ("text" in message) reporter[message.type](message.text);
  }
}

/** The arguments of `docker` that start a helper; parameters travel on its standard input. */
export function helperArguments(
  image: string,
  name: string,
  place: TaskPlace,
  deps: Pick<HelperDeps, "entry" | "operationId">,
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
export function mergeMounts(mounts: readonly TaskMount[]): TaskMount[] {
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

/** Why a helper ended without a word. */
export function explain(failure: unknown): Error {
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
