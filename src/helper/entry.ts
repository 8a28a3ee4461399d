import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { CancelledError } from "../core/errors.ts";
import type { Reporter } from "../core/reporter.ts";
import type { NamedTask, TaskContext } from "../core/task.ts";
import { packError, type TaskMessage, type TaskRequest } from "./wire.ts";

/** The hidden command by which a helper container starts this program. */
export const taskCommand = "__task";

/** Where a helper reads its tasks and tells what came out. */
export interface EntryStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Aborted by SIGTERM: the task undoes what it began. */
  readonly signal: AbortSignal;
}

// biome-ignore lint/suspicious/noExplicitAny: each task has its own parameters
type AnyTask = NamedTask<any, any>;

/**
 * Runs the tasks that standard input names, one a line and one after the other, until it ends, and writes their progress
 * and results as JSON lines. Never throws: an error is a message too.
 */
export async function runTaskEntry(
  registry: readonly AnyTask[],
  streams: EntryStreams,
): Promise<void> {
  const { stdin, stdout, signal } = streams;
  const send = (message: TaskMessage) => {
    stdout.write(`${JSON.stringify(message)}\n`);
  };
  for await (const line of createInterface({ input: stdin, signal })) {
    send(await runTask(registry, line, { reporter: wireReporter(send), signal }));
  }
}

async function runTask(
  registry: readonly AnyTask[],
  line: string,
  context: TaskContext,
): Promise<TaskMessage> {
  try {
    const request = JSON.parse(line) as TaskRequest;
    const task = registry.find(({ name }) => name === request.task);
    if (task === undefined) throw new Error(`there is no task ${request.task}`);
    const value: unknown = await task.run(request.params, context);
    return { type: "result", value };
  } catch (error) {
    const cancelled = context.signal.aborted ? new CancelledError() : error;
    return { type: "error", error: packError(cancelled) };
  }
}

function wireReporter(send: (message: TaskMessage) => void): Reporter {
  const say = (type: "info" | "debug" | "warning" | "progress" | "secret") => (line: string) =>
    send({ type, text: line });
  return {
    group: async (title, work) => {
      send({ type: "info", text: title });
      return await work();
    },
    info: say("info"),
    debug: say("debug"),
    warning: say("warning"),
    progress: say("progress"),
    secret: say("secret"),
  };
}
