import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { silentReporter } from "../../../src/core/reporter.ts";
import { serverProber } from "../../../src/stack/health.ts";

const context = { reporter: silentReporter, signal: new AbortController().signal };

it.each<[string, (socket: Socket) => unknown, object]>([
  ["never answers", () => undefined, { healthy: false, status: 0 }],
  [
    "speaks first in another protocol",
    (s) => s.write("220 mail\r\n"),
    { healthy: true, status: 0 },
  ],
  ["ends the connection", (s) => s.end(), { healthy: true, status: 0 }],
  ["refuses with 401", (s) => s.end("HTTP/1.1 401 No\r\n\r\n"), { healthy: true, status: 401 }],
  ["fails", (s) => s.end("HTTP/1.1 503 No\r\n\r\n"), { healthy: false, status: 503 }],
  [
    "sends events without an end",
    (s) => s.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n"),
    { healthy: true },
  ],
])("a server that %s", async (_title, answer, expected) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("data", () => answer(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    const question = { address: "127.0.0.1", port, path: "/", timeoutMs: 300 } as const;
    const answered = await serverProber.answer({ ...question, wants: "answer" }, context);
    expect(answered).toMatchObject(expected);
    if (!answered.healthy && answered.status === 0) expect(answered.detail).toContain("no answer");
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
