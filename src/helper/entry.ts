import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { CancelledError } from "../core/errors.ts";
import type { Reporter } from "../core/reporter.ts";
import type { NamedResponder, NamedTask, TaskContext } from "../core/task.ts";
import { packError, type Question, type TaskMessage, type TaskRequest } from "./wire.ts";

/** The hidden command by which a helper container starts this program. */
export const taskCommand = "__task";

/** Where a helper reads its tasks and writes their results. */
interface EntryStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Aborted by SIGTERM: the task undoes what it began. */
  readonly signal: AbortSignal;
}

// biome-ignore lint/suspicious/noExplicitAny: each task has its own parameters
type AnyTask = NamedTask<any, any> | NamedResponder<any, any>;

/**
 * Runs the tasks from standard input, one per line and one after another, until the input ends. Writes progress and
 * results as JSON lines. A responder treats all further lines as its questions. Never throws: an error is a message, too.
 */
export async function runTaskEntry(
  registry: readonly AnyTask[],
  streams: EntryStreams,
): Promise<void> {
  const { stdin, stdout, signal } = streams;
  const send = (message: TaskMessage) => {
    stdout.write(`${JSON.stringify(message)}\n`);
  };
  const context = { reporter: wireReporter(send), signal };
  const lines = createInterface({ input: stdin, signal })[Symbol.asyncIterator]();
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    try {
      const request = JSON.parse(line.value) as TaskRequest;
      const task = registry.find(({ name }) => name === request.task);
      if (task === undefined) throw new Error(`there is no task ${request.task}`);
      const work =
        "answer" in task ? respond(task, lines, send, context) : task.run(request.params, context);
      send({ type: "result", value: await work });
    } catch (error) {
      send({ type: "error", error: packError(signal.aborted ? new CancelledError() : error) });
    }
  }
}

/** Answers each question at once, without waiting for earlier ones. When the input ends, nobody waits for answers. */
async function respond(
  responder: NamedResponder<unknown, unknown>,
  lines: AsyncIterator<string>,
  send: (message: TaskMessage) => void,
  context: TaskContext,
): Promise<void> {
  const reply = async ({ id, question }: Question) => {
    try {
      send({ type: "answer", id, value: await responder.answer(question, context) });
    } catch (error) {
      send({ type: "no-answer", id, error: packError(error) });
    }
  };
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    void reply(JSON.parse(line.value) as Question);
  }
}

function wireReporter(send: (message: TaskMessage) => void): Reporter {
  const say = (type: "info" | "debug" | "warning" | "secret") => (line: string) =>
    send({ type, text: line });
  return {
    group: async (title, work) => {
      send({ type: "info", text: title });
      return await work();
    },
    info: say("info"),
    debug: say("debug"),
    warning: say("warning"),
    progress: (text, amount) => send({ type: "progress", text, amount }),
    secret: say("secret"),
  };
}
