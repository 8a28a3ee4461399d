import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { startProber } from "../../../src/operations/upgrade/prober.ts";

/** Slow enough that some probes are always under way. */
const server = `
  const { createServer } = require("node:http");
  const { parentPort } = require("node:worker_threads");
  let asked = 0;
  createServer((_, response) => { asked += 1; setTimeout(() => response.end("{}"), 100); })
    .listen(0, "127.0.0.1", function () { parentPort.postMessage(this.address().port); });
  parentPort.on("message", () => parentPort.postMessage(asked));
`;

test("a moment in which this process was busy is no downtime of the stack", async () => {
  const worker = new Worker(server, { eval: true });
  try {
    const [port] = await once(worker, "message");
    const asked = async () => {
      worker.postMessage("asked?");
      return (await once(worker, "message"))[0] as number;
    };
    using prober = startProber(
      { containers: [], model: { services: {} } } as unknown as Parameters<typeof startProber>[0],
      { healthUrl: `http://127.0.0.1:${port}/`, healthHeader: undefined },
    );
    while ((await asked()) < 10);
    // Longer than a probe may take.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
    const before = await asked();
    while ((await asked()) < before + 20);
    expect(prober.downtime()).toMatchObject({ seconds: 0 });
  } finally {
    await worker.terminate();
  }
});
