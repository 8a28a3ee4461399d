import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";

/** What an engine that this machine has not would say: members that replace those of the real one. */
export interface EngineFacts {
  readonly info?: Readonly<Record<string, unknown>>;
  readonly version?: Readonly<Record<string, unknown>>;
}

/** A stand-in for an engine of another kind. */
export interface EngineStandIn extends AsyncDisposable {
  /** What `DOCKER_HOST` is set to. */
  readonly host: string;
}

/**
 * A STAND-IN for engines that cannot be had here (rootless, podman, Docker Desktop, a very old one): the real engine
 * answers, and what it says of itself is changed. Everything but `/info` and `/version` is refused.
 */
export async function engineStandIn(path: string, facts: EngineFacts): Promise<EngineStandIn> {
  const server = createServer((incoming, answer) => {
    const asked = /\/(info|version)$/.exec(incoming.url ?? "")?.[1] as
      | keyof EngineFacts
      | undefined;
    if (asked === undefined) return void answer.writeHead(500).end('{"message":"not asked for"}');
    tell(asked, facts, answer).catch((error: unknown) => answer.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function tell(asked: keyof EngineFacts, facts: EngineFacts, answer: ServerResponse) {
  const socketPath = "/var/run/docker.sock";
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, path: `/${asked}` }, resolve)
      .once("error", reject)
      .end();
  });
  const real = (await json(reply)) as Record<string, unknown>;
  answer.setHeader("content-type", "application/json");
  answer.end(JSON.stringify({ ...real, ...facts[asked] }));
}
