import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import Docker from "dockerode";
import { afterEach, expect, it, vi } from "vitest";
import { dockerPatience } from "../../../src/core/docker-patience.ts";
import { checkHost } from "../../../src/stack/check-host.ts";
import { createCompose } from "../../../src/stack/compose.ts";
import { pullImage } from "../../../src/stack/images.ts";
import { stubFolder } from "../stub-folder.ts";

// An engine that hangs, or a docker command that waits for somebody, must not hold a lock for ever.

const folder = stubFolder();
afterEach(() => void vi.useRealTimers());

/** A docker command that says that it runs, and never ends. */
const hangingDocker = () => folder.add("docker", "exec sleep 1000");

it("refuses an engine that takes requests and answers none", async () => {
  await hangingDocker();
  const sockets = new Set<Socket>();
  const socketPath = join(folder.path, "docker.sock");
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  }).listen(socketPath);
  await once(server, "listening");
  try {
    const endpoint = `unix://${socketPath}`;
    const engine = { docker: new Docker({ socketPath }), endpoint, environment: {} };
    await expect(checkHost(engine, 200)).rejects.toMatchObject({
      class: "engine-down",
      cause: expect.objectContaining({ message: "no answer within 0.2 s" }),
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

const project = {
  ...{ project: "p", composeFiles: ["compose.yaml"], envFiles: [], profiles: [] },
};

it.each([
  [
    "the definition is read",
    dockerPatience.answerMs,
    () => createCompose({ environment: {} }, { ...project, directory: folder.path }).config(),
    { class: "compose-config", message: expect.stringContaining("within two minutes") },
  ],
  [
    "an image is pulled",
    dockerPatience.pullMs,
    () => pullImage({ environment: {} }, "ada:1"),
    { class: "no-image", message: "ada:1 cannot be pulled" },
  ],
] as const)("ends a docker command that never ends: %s", async (_what, limitMs, ask, refusal) => {
  await hangingDocker();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const asked = ask();
  const told = expect(asked).rejects.toMatchObject(refusal);
  await vi.advanceTimersByTimeAsync(limitMs + 1);
  await told;
});
