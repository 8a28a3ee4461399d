import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import Docker from "dockerode";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { dockerPatience } from "../../../src/core/docker-patience.ts";
import { checkHost } from "../../../src/stack/check-host.ts";
import { createCompose } from "../../../src/stack/compose.ts";
import { pullImage } from "../../../src/stack/images.ts";

// An engine that hangs, or a docker command that waits for somebody, must not hold a lock for ever.

const before = process.env.PATH;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sophon-keeper-stub-"));
  process.env.PATH = `${folder}${delimiter}${before}`;
});
afterEach(async () => {
  vi.useRealTimers();
  process.env.PATH = before;
  await rm(folder, { recursive: true, force: true });
});

/** A docker command that says that it runs, and never ends. */
async function hangingDocker(): Promise<void> {
  const path = join(folder, "docker");
  await writeFile(path, "#!/bin/sh\nexec sleep 1000\n");
  await chmod(path, 0o755);
}

it("refuses an engine that takes requests and answers none", async () => {
  await hangingDocker();
  const sockets = new Set<Socket>();
  const socketPath = join(folder, "docker.sock");
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
    () => createCompose({ environment: {} }, { ...project, directory: folder }).config(),
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
