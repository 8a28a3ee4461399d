import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { RefusedError } from "../core/errors.ts";
import { ExecError, run, type StreamingProcess, spawnStream } from "../core/exec.ts";
import type { Reporter } from "../core/reporter.ts";
import type { TaskPlace } from "../core/task.ts";
import { type HelperEntry, helperArguments } from "./helper-arguments.ts";
import { type TaskMessage, type TaskRequest, unpackError } from "./wire.ts";

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
