import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { hostname, release } from "node:os";

/**
 * Answers as an engine on which nothing runs, so that commands get as far as the repository without a real one: it has
 * every image, no container, network or volume, and makes each container that it is asked for.
 */
export async function standInEngine(socket: string): Promise<AsyncDisposable> {
  const server: Server = createServer((request, response) => {
    request.resume();
    const path = (request.url ?? "").replace(/^\/v[\d.]+/, "").replace(/\?.*/, "");
    const [code, body] = answer(request.method ?? "GET", path);
    response.writeHead(code, { "content-type": "application/json", "api-version": "1.45" });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }).listen(socket);
  await once(server, "listening");
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const info = {
  ...{ Name: hostname(), KernelVersion: release(), OSType: "linux" },
  ...{ OperatingSystem: "Debian", SecurityOptions: [], DockerRootDir: "/var/lib/docker" },
};

function answer(method: string, path: string): [code: number, body?: unknown] {
  if (path === "/_ping") return [200, "OK"];
  if (path === "/version") return [200, { ApiVersion: "1.45", Version: "26.1.5", Os: "linux" }];
  if (path === "/info") return [200, info];
  if (path === "/containers/json") return [200, []];
  if (path === "/networks") return [200, []];
  if (path === "/volumes") return [200, { Volumes: [], Warnings: [] }];
  if (method === "POST" && path === "/containers/create")
    return [201, { Id: "c0ffee", Warnings: [] }];
  if (method === "DELETE") return [204];
  if (path.startsWith("/images/")) return [200, { Id: "sha256:0", Config: {} }];
  return [404, { message: `no ${path}` }];
}
