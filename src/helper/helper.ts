import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import type { ThrowAwayContainer } from "../core/containers.ts";
import { RefusedError } from "../core/errors.ts";
import { ExecError, type StreamingProcess, spawnStream } from "../core/exec.ts";
import type { Reporter } from "../core/reporter.ts";
import type { TaskPlace } from "../core/task.ts";
import { keeperLabels } from "../model/keeper-labels.ts";
import { type HelperEntry, helperArguments } from "./helper-arguments.ts";
import { type TaskMessage, type TaskRequest, unpackError } from "./wire.ts";

/** What starting a helper needs. */
export interface HelperDeps {
  /** The environment variables with which `docker` reaches the right engine. */
  readonly environment: Readonly<Record<string, string>>;
  readonly operationId: string;
  readonly entry: HelperEntry;
  readonly reporter: Reporter;
  /**
   * Removes the container of a client that has ended. It may be missing, or, after a client that was killed, still be
   * made by the engine.
   *
   * @throws Error when it cannot be removed.
   */
  readonly remove: (container: ThrowAwayContainer, wasKilled: boolean) => Promise<void>;
}

/** The program in a helper container. */
export interface HelperProcess extends Pick<StreamingProcess, "stdin" | "stdout"> {
  /** Asks the program to end now. It undoes what it began. */
  kill(): void;
  /** Resolves when the container is gone: to undefined after success, else to the error. */
  readonly ended: Promise<unknown>;
}

/** A helper container that runs one task after another. */
export interface Helper {
  readonly place: TaskPlace;
  /** Whether it runs a task or has ended. */
  readonly isTaken: () => boolean;
  /** @throws the error of the task, or the reason of the signal if it is aborted; then the helper has ended. */
  run(request: TaskRequest, signal: AbortSignal): Promise<unknown>;
  /** Ends the helper and waits until its container is gone. Safe to call twice. */
  end(): Promise<void>;
}

/**
 * Starts the program in a helper container. It ends when its standard input ends, which also happens if this process is
 * killed.
 */
export function startProcess(deps: HelperDeps, image: string, place: TaskPlace): HelperProcess {
  const name = `sophon-keeper-helper-${randomUUID()}`;
  const labels = { [keeperLabels.operation]: deps.operationId, [keeperLabels.kind]: "helper" };
  const container = { name, image, labels };
  const { stdin, stdout, kill, done } = spawnStream(
    "docker",
    helperArguments(container, place, deps.entry),
    { addEnv: deps.environment, pipeInput: true },
  );
  const ended = done.then(
    // After success `--rm` has removed the container. A killed client leaves it running.
    () => undefined,
    async (error: unknown) => {
      await deps.remove(container, error instanceof ExecError && error.exitCode === null);
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
      // The client forwards SIGTERM to the task, which then undoes what it began.
      const abort = () => client.kill();
      signal.addEventListener("abort", abort, { once: true });
      try {
        client.stdin.write(`${JSON.stringify(request)}\n`);
        const last = await nextResult(messages, deps.reporter).catch((error: unknown) => {
          // The output is unreadable: the next task must not receive the answer to this one.
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

/** The last message of a task; undefined if the helper ends without one. */
async function nextResult(
  messages: AsyncIterator<string>,
  reporter: Reporter,
): Promise<Extract<TaskMessage, { type: "result" | "error" }> | undefined> {
  for (;;) {
    const { done, value: line } = await messages.next();
    if (done === true) return undefined;
    const message = JSON.parse(line) as TaskMessage;
    if (message.type === "result" || message.type === "error") return message;
    if (message.type === "progress") reporter.progress(message.text, message.amount);
    else if ("text" in message) reporter[message.type](message.text);
  }
}

/** Explains why a helper ended without a result. */
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
