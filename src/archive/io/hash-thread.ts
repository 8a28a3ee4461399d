import type { Worker } from "node:worker_threads";

/** Hashes blocks of shared memory in a thread of its own, in the order they are given. */
interface Hasher {
  /** Settles when the block was looked at, and may change again. */
  update(block: Uint8Array): Promise<void>;
  /** The hex sha256 of all blocks. */
  digest(): Promise<string>;
}

/**
 * Starts the thread. Where a processor has no instructions for it, sha256 takes as long as all
 * other work on an archive together takes one core: it must stand in nobody's way.
 *
 * Rejects with what ended the thread. Uses nothing but its argument and globals: its text also runs
 * in a thread of its own.
 */
export function startHasher(thread: typeof Worker): Hasher {
  const program = `
const { parentPort } = require("node:worker_threads");
const hash = require("node:crypto").createHash("sha256");
parentPort.on("message", (block) => {
  parentPort.postMessage(block === "end" ? hash.digest("hex") : (hash.update(block), ""));
});`;
  const worker = new thread(program, { eval: true, execArgv: [] });
  const waiting: PromiseWithResolvers<string>[] = [];
  let failure: Error | undefined;
  worker.on("message", (reply: string) => waiting.shift()?.resolve(reply));
  const fail = (error: Error): void => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("the hashing thread ended early")));
  const ask = (question: Uint8Array | "end"): Promise<string> => {
    if (failure !== undefined) return Promise.reject(failure);
    const answer = Promise.withResolvers<string>();
    waiting.push(answer);
    worker.postMessage(question);
    return answer.promise;
  };
  return {
    update: (block) => ask(block).then(() => undefined),
    digest: () => ask("end"),
  };
}
