import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { prober } from "../../lab/prober.ts";
import { until } from "../../lab/step.ts";

let served = 0;

async function serve(port: number, status: () => number): Promise<Server> {
  const server = createServer((_request, response) => {
    served++;
    response.writeHead(status()).end();
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}

/** Waits until some more requests were answered. */
async function someMore(): Promise<void> {
  const before = served;
  await until("requests", 10_000, async () => served > before + 3);
}

it("measures from the first failed probe to the first of the lasting good ones", async () => {
  const first = await serve(0, () => 200);
  const { port } = first.address() as AddressInfo;
  const probing = prober(`http://127.0.0.1:${port}/`, 10);
  await someMore();

  const wentMs = Date.now();
  await close(first);
  // Not a wait for something: the outage that is measured.
  await new Promise((resolve) => setTimeout(resolve, 300));
  let status = 200;
  const second = await serve(port, () => status);
  await someMore(); // good for a moment only: still part of the downtime
  status = 503;
  await someMore();
  status = 200;
  const backMs = Date.now();
  await someMore();

  const report = await probing.stop();
  await close(second);
  const reasons = report.failures.map((failure) => failure.why);
  expect(reasons).toContain("status 503");
  expect(reasons.some((why) => why.includes("ECONNREFUSED"))).toBe(true);
  expect(report.downtimeMs).toBeGreaterThan(backMs - wentMs - 150);
  expect(report.downtimeMs).toBeLessThan(backMs - wentMs + 150);
  expect(report.longestGapMs).toBeGreaterThan(250);
});

it("tells no downtime without a failure, and an open one when it never came back", async () => {
  const server = await serve(0, () => 200);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const good = prober(url, 10);
  await someMore();
  expect(await good.stop()).toMatchObject({ failures: [], downtimeMs: 0 });

  const lost = prober(url, 10);
  await someMore();
  await close(server);
  await new Promise((resolve) => setTimeout(resolve, 100)); // the outage
  expect((await lost.stop()).downtimeMs).toBeNull();
});
