import { createInterface } from "node:readline";
import type { Reporter } from "../core/reporter.ts";
import type { Responder } from "../core/task.ts";
import { explain, type HelperProcess } from "./helper.ts";
import { type Question, type TaskMessage, type TaskRequest, unpackError } from "./wire.ts";

/** Talks to the responder in a helper container: one JSON line per question and per answer. */
export function openResponder<Q, A>(
  helper: HelperProcess,
  name: string,
  reporter: Reporter,
): Responder<Q, A> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let failure: unknown;
  let asked = 0;
  const say = (line: Question | Pick<TaskRequest, "task">) => {
    helper.stdin.write(`${JSON.stringify(line)}\n`);
  };
  const hear = (message: TaskMessage) => {
    if (message.type === "progress") reporter.progress(message.text, message.amount);
    else if ("text" in message) reporter[message.type](message.text);
    else if (message.type === "answer") settle(message.id)?.resolve(message.value);
    else if (message.type === "no-answer") settle(message.id)?.reject(unpackError(message.error));
    else if (message.type === "error") failure = unpackError(message.error);
  };
  const settle = (id: number) => {
    const one = waiting.get(id);
    waiting.delete(id);
    return one;
  };
  const listen = async () => {
    try {
      const lines = createInterface({ input: helper.stdout });
      for await (const line of lines) hear(JSON.parse(line) as TaskMessage);
      failure ??= explain(await helper.ended);
    } catch (error) {
      failure = error;
    }
    for (const one of waiting.values()) one.reject(failure);
    waiting.clear();
  };
  say({ task: name });
  const over = listen();
  return {
    ask: async (question) => {
      if (failure !== undefined) throw failure;
      const answer = Promise.withResolvers<unknown>();
      asked += 1;
      waiting.set(asked, answer);
      say({ id: asked, question });
      return (await answer.promise) as A;
    },
    [Symbol.asyncDispose]: async () => {
      helper.stdin.end();
      await over;
      await helper.ended;
    },
  };
}
