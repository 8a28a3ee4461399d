import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";

/** Where a step finds the artifact service. */
export interface ArtifactProxy extends AsyncDisposable {
  readonly url: string;
}

/**
 * Stands between the action and act's artifact server (0.2.89), and mends what keeps that server from working with
 * the current client: it refuses the field `mime_type` (nektos/act#6022), it refuses a signature whose padding
 * the blob client has cut off (nektos/act#6114), and it lists the size of an artifact's directory instead of its
 * file. Everything else is act's own.
 *
 * @param target - port of act's artifact server on 127.0.0.1
 * @param storage - the directory of that server
 * @param isFull - refuses every new artifact, as GitHub does once the account has used up its storage
 */
export async function startArtifactProxy(
  target: number,
  storage: string,
  isFull = false,
): Promise<ArtifactProxy> {
  const server = createServer((incoming, answer) => {
    if (isFull && incoming.url?.endsWith("/CreateArtifact") === true) {
      answer.writeHead(403, { "content-type": "application/json" }).end(quotaRefusal);
      return;
    }
    forward(incoming, answer, target, storage).catch((error: unknown) => {
      answer.writeHead(502).end(String(error));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const quotaRefusal = JSON.stringify({
  code: "resource_exhausted",
  msg: "Artifact storage quota has been hit. Unable to upload any new artifacts.",
});

async function forward(
  incoming: IncomingMessage,
  answer: ServerResponse,
  port: number,
  storage: string,
): Promise<void> {
  const body = await buffer(incoming);
  const json = incoming.headers["content-type"]?.startsWith("application/json") === true;
  const sent = json ? withoutMimeType(body) : body;
  const outgoing = request({
    host: "127.0.0.1",
    port,
    method: incoming.method,
    path: withPaddedSignature(incoming.url ?? "/"),
    // The host stays: act builds upload addresses from it, and they must lead here too.
    headers: { ...incoming.headers, "content-length": sent.length },
  });
  outgoing.end(sent);
  const [reply] = (await once(outgoing, "response")) as [IncomingMessage];
  const content = await buffer(reply);
  const lists = incoming.url?.endsWith("/ListArtifacts") === true && reply.statusCode === 200;
  const told = lists ? await withFileSizes(content, storage) : content;
  const { "transfer-encoding": _, ...kept } = reply.headers;
  const headers = { ...kept, "content-length": String(told.length) };
  answer.writeHead(reply.statusCode ?? 502, headers).end(told);
}

function withoutMimeType(body: Buffer): Buffer {
  const { mime_type: _, ...message } = JSON.parse(body.toString("utf8"));
  return Buffer.from(JSON.stringify(message));
}

function withPaddedSignature(path: string): string {
  const url = new URL(path, "http://127.0.0.1");
  const signature = url.searchParams.get("sig");
  if (signature === null) return path;
  url.searchParams.set("sig", signature.padEnd(Math.ceil(signature.length / 4) * 4, "="));
  return `${url.pathname}${url.search}`;
}

async function withFileSizes(content: Buffer, storage: string): Promise<Buffer> {
  const message = JSON.parse(content.toString("utf8"));
  for (const artifact of message.artifacts ?? []) {
    artifact.size = String((await stat(await storedArtifact(storage, artifact.name))).size);
  }
  return Buffer.from(JSON.stringify(message));
}

/** The file in which act keeps an artifact: a name of its own that ends in `.zip`, whatever is in it. */
export async function storedArtifact(storage: string, name: string): Promise<string> {
  const [run] = await readdir(storage);
  return join(storage, String(run), name, `${name}.zip`);
}
