import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";

/** The address of a Qdrant server inside its own network namespace. */
export interface QdrantEndpoint {
  readonly port: number;
  readonly tls: boolean;
  readonly apiKey: string | undefined;
}

/** One snapshot of a collection, as reported by the server. */
interface QdrantSnapshot {
  readonly name: string;
  readonly size: number;
  /** SHA-256, hex. Older servers do not return it. */
  readonly checksum?: string | null;
}

/** An alias of a collection. */
export interface QdrantAlias {
  readonly alias_name: string;
  readonly collection_name: string;
}

const multipartBoundary = "sophon-keeper-snapshot-8f1c2b7d";

/**
 * The part of Qdrant's REST interface that a backup needs. A snapshot or an upload may take very long, so no request
 * has a timeout: only the signal ends it.
 *
 * Every method throws an Error with the method, path, status and message of the server.
 */
export class QdrantClient {
  readonly #endpoint: QdrantEndpoint;
  readonly #signal: AbortSignal;

  constructor(endpoint: QdrantEndpoint, signal: AbortSignal) {
    this.#endpoint = endpoint;
    this.#signal = signal;
  }

  async version(): Promise<string> {
    const root = (await this.#json("GET", "/", undefined)) as { version: string };
    return root.version;
  }

  async collections(): Promise<string[]> {
    const { collections } = await this.#result<{ collections: { name: string }[] }>(
      "GET",
      "/collections",
    );
    return collections.map(({ name }) => name).toSorted();
  }

  async aliases(): Promise<QdrantAlias[]> {
    const { aliases } = await this.#result<{ aliases: QdrantAlias[] }>("GET", "/aliases");
    return aliases.toSorted((a, b) => (a.alias_name < b.alias_name ? -1 : 1));
  }

  /** Status, configuration and payload schema of a collection. */
  collection(name: string): Promise<{ status: string; config: unknown; payload_schema?: unknown }> {
    return this.#result("GET", path(name));
  }

  async count(name: string): Promise<number> {
    const body = { exact: true };
    const { count } = await this.#result<{ count: number }>(
      "POST",
      `${path(name)}/points/count`,
      body,
    );
    return count;
  }

  snapshots(name: string): Promise<QdrantSnapshot[]> {
    return this.#result("GET", `${path(name)}/snapshots`);
  }

  createSnapshot(name: string): Promise<QdrantSnapshot> {
    return this.#result("POST", `${path(name)}/snapshots?wait=true`);
  }

  /** The bytes of a snapshot. */
  download(name: string, snapshot: string): Promise<Readable> {
    return this.#send("GET", `${path(name)}/snapshots/${encodeURIComponent(snapshot)}`);
  }

  async deleteSnapshot(name: string, snapshot: string): Promise<void> {
    await this.#result(
      "DELETE",
      `${path(name)}/snapshots/${encodeURIComponent(snapshot)}?wait=true`,
    );
  }

  async deleteCollection(name: string): Promise<void> {
    await this.#result("DELETE", `${path(name)}?timeout=600`);
  }

  /**
   * Creates the collection from a snapshot. Always sets `priority=snapshot`: with the documented default of some
   * versions a new collection stays empty.
   */
  async upload(name: string, content: Readable, checksum: string): Promise<void> {
    const query = `wait=true&priority=snapshot&checksum=${checksum}`;
    const response = await this.#send(
      "POST",
      `${path(name)}/snapshots/upload?${query}`,
      {
        "content-type": `multipart/form-data; boundary=${multipartBoundary}`,
      },
      multipart(content, uploadName(checksum)),
    );
    await text(response);
  }

  async setAliases(aliases: readonly QdrantAlias[]): Promise<void> {
    if (aliases.length === 0) return;
    const actions = aliases.map((alias) => ({ create_alias: alias }));
    await this.#result("POST", "/collections/aliases", { actions });
  }

  async #result<T>(method: string, target: string, body?: unknown): Promise<T> {
    return ((await this.#json(method, target, body)) as { result: T }).result;
  }

  async #json(method: string, target: string, body: unknown): Promise<unknown> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const headers = content === undefined ? {} : { "content-type": "application/json" };
    return JSON.parse(await text(await this.#send(method, target, headers, content)));
  }

  async #send(
    method: string,
    target: string,
    headers: Record<string, string> = {},
    body?: string | AsyncIterable<Uint8Array>,
  ): Promise<IncomingMessage> {
    const { port, tls, apiKey } = this.#endpoint;
    const options: RequestOptions = {
      host: "127.0.0.1",
      port,
      method,
      path: target,
      headers: { ...headers, ...(apiKey === undefined ? {} : { "api-key": apiKey }) },
      signal: this.#signal,
    };
    // The server is reached by its loopback address in its own namespace, so there is no name to verify.
    const request = tls
      ? httpsRequest({ ...options, rejectUnauthorized: false })
      : httpRequest(options);
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.once("error", reject);
    });
    answered.catch(() => undefined);
    if (typeof body === "object") await Promise.race([pipeline(body, request), answered]);
    else request.end(body);
    const response = await answered;
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const said = (await text(response)).slice(0, 500);
    throw new Error(`qdrant: ${method} ${target.split("?")[0]}: HTTP ${status}: ${said}`);
  }
}

/** The name under which the server stores an upload. */
export function uploadName(checksum: string): string {
  return `${checksum}.snapshot`;
}

function path(collection: string): string {
  return `/collections/${encodeURIComponent(collection)}`;
}

async function* multipart(content: Readable, fileName: string): AsyncGenerator<Uint8Array> {
  const head = [
    `--${multipartBoundary}`,
    `content-disposition: form-data; name="snapshot"; filename="${fileName}"`,
    "content-type: application/octet-stream",
  ].join("\r\n");
  yield Buffer.from(`${head}\r\n\r\n`);
  yield* content as AsyncIterable<Uint8Array>;
  yield Buffer.from(`\r\n--${multipartBoundary}--\r\n`);
}
