import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { CancelledError } from "../core/errors.ts";
import type { Reporter } from "../core/reporter.ts";
import type { NamedTask } from "../core/task.ts";
import { packError, type TaskMessage, type TaskRequest } from "./wire.ts";

/** The hidden command by which a helper container starts this program. */
export const taskCommand = "__task";

/** Where a helper reads its task and tells what came out. */
export interface EntryStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Aborted by SIGTERM: the task undoes what it began. */
  readonly signal: AbortSignal;
}

// biome-ignore lint/suspicious/noExplicitAny: each task has its own parameters
type AnyTask = NamedTask<any, any>;

/**
 * Runs the one task that standard input names and writes its progress and its result as JSON lines.
 * Never throws: an error is a message too.
 */
export async function runTaskEntry(
  registry: readonly AnyTask[],
  streams: EntryStreams,
): Promise<void> {
  const send = (message: TaskMessage) => {
    streams.stdout.write(`${JSON.stringify(message)}\n`);
  };
  try {
    const request = JSON.parse(await text(streams.stdin)) as TaskRequest;
    const task = registry.find(({ name }) => name === request.task);
    if (task === undefined) throw new Error(`there is no task ${request.task}`);
    const context = { reporter: wireReporter(send), signal: streams.signal };
    const value: unknown = await task.run(request.params, context);
    send({ type: "result", value });
  } catch (error) {
    const cancelled = streams.signal.aborted ? new CancelledError() : error;
    send({ type: "error", error: packError(cancelled) });
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
