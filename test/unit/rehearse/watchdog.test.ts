import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { waitFor } from "../../../src/core/wait.ts";
import { watchingOver } from "../../../src/operations/rehearse/watchdog.ts";
import type { Engine } from "../../../src/stack/engine.ts";
import { onLoopback, shutDown } from "../../lab/loopback-server.ts";

let server: Server;
let port: number;
/** Requests to the server, and questions to the engine. */
let [asked, looks] = [0, 0];
beforeEach(async () => {
  [asked, looks] = [0, 0];
  server = createServer((_asked, answer) => {
    asked += 1;
    answer.writeHead(503).end("starting");
  });
  port = Number(new URL(await onLoopback(server)).port);
});
afterEach(() => shutDown(server));

/** An engine with one running container of the live stack, which publishes these ports. */
function engineWith(...ports: readonly number[]): Engine {
  const Ports = ports.map((PublicPort) => ({ Type: "tcp", PublicPort }));
  const one = { Labels: {}, State: "running", Status: "Up", Names: ["/app-web-1"], Ports };
  const isLock = (filters: { readonly label: readonly string[] }) =>
    filters.label.some((label) => label.endsWith("=lock"));
  const docker = {
    listContainers: async ({ filters }: { filters: { label: string[] } }) => {
      looks += 1;
      return isLock(filters) ? [] : [one];
    },
  };
  return { docker } as unknown as Engine;
}

function watching(engine: Engine, work: (signal: AbortSignal) => Promise<string>) {
  const { signal } = new AbortController();
  return watchingOver("app", engine, { clock: systemClock, signal }, work);
}

/** Work that is done when something holds. */
async function once(holds: () => boolean): Promise<string> {
  const look = async () => (holds() ? "done" : undefined);
  return (await waitFor(look, { clock: systemClock, timeoutMs: 30_000 })) ?? "not done";
}

async function until(signal: AbortSignal): Promise<string> {
  return await new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

it("ends the work when the live stack, whose containers run, does not answer any more", async () => {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  // Nothing listens on the first of its ports.
  const watched = watching(engineWith(1, port), async (signal) => {
    resolve();
    return await until(signal);
  });
  await begun;
  await shutDown(server);
  await expect(watched).rejects.toMatchObject({
    ...{ class: "live-first", result: "unverifiable" },
    message: expect.stringContaining("does not answer any more"),
  });
});

it("leaves the work alone while the live stack answers, whatever it says, and measures it", async () => {
  const { value, live } = await watching(engineWith(port), () => once(() => asked > 12));
  expect(value).toBe("done");
  expect(live).toMatchObject({ lost: 0, p95BeforeMs: expect.any(Number) });
  expect(live?.p95DuringMs).toEqual(expect.any(Number));
  expect(live?.probes).toBeGreaterThan(1);
});

it("does not judge a stack that answers on no port", async () => {
  const { live } = await watching(engineWith(1), () => once(() => looks > 6));
  expect(live).toEqual({ probes: expect.any(Number), lost: 0 });
});
