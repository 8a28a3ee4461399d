import { createConnection, createServer, type Socket } from "node:net";

/** A socket in front of the engine's own, which a test can take away: the engine seems to have stopped. */
export interface EngineProxy extends AsyncDisposable {
  /** What `DOCKER_HOST` is set to. */
  readonly host: string;
  /** Ends every connection and takes no new one. */
  cut(): void;
}

/** Listens at a path. */
export async function engineProxy(path: string): Promise<EngineProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
  };
  // Both ways may end one after the other: a client says "that was all my input" with the first.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = createConnection({ path: "/var/run/docker.sock", allowHalfOpen: true });
    for (const socket of [client, engine]) keep(socket);
    client.pipe(engine).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    host: `unix://${path}`,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
    },
  };
}
