import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { systemClock } from "../../core/clock.ts";
import { waitFor } from "../../core/wait.ts";

/** The address of a Qdrant server inside its own network namespace. */
export interface QdrantEndpoint {
  readonly port: number;
  readonly tls: boolean;
  readonly apiKey: string | undefined;
}

/** Names the store and the server of a Qdrant task. */
export interface QdrantParams {
  readonly endpoint: QdrantEndpoint;
  readonly name: string;
  readonly service: string;
  /** The path of the volume in the server's container. */
  readonly mountTarget: string;
}

/** One snapshot of a collection, as reported by the server. */
interface QdrantSnapshot {
  readonly name: string;
  readonly size: number;
  /** SHA-256, hex. Older servers do not return it. */
  readonly checksum?: string | null;
}

/** A collection as the server describes it. */
interface QdrantCollection {
  /** `green`, `yellow` while it is indexed, `grey` before it is indexed, `red` after a failure. All but `red` serve. */
  readonly status: string;
  readonly config: unknown;
  readonly payload_schema?: unknown;
}

/** An alias of a collection. */
export interface QdrantAlias {
  readonly alias_name: string;
  readonly collection_name: string;
}

/** An error answer of the server. */
export class QdrantError extends Error {
  readonly status: number;
  /** How long to wait after a 429. */
  readonly retryAfterMs: number;

  constructor(message: string, status: number, retryAfter?: string) {
    super(message);
    this.name = new.target.name;
    this.status = status;
    const seconds = Number(retryAfter);
    this.retryAfterMs = seconds > 0 && seconds <= 60 ? seconds * 1000 : 1000;
  }
}

/** A large collection takes minutes to load. */
const loadingMs = 10 * 60_000;
/** A server with a rate limit counts by the minute, so that this is enough for several of its minutes. */
const rateLimitMs = 5 * 60_000;
/** The first page of a scroll. Strict mode may allow less (`max_query_limit`). */
const scrollLimit = 10_000;
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
  collection(name: string): Promise<QdrantCollection> {
    return this.#result("GET", path(name));
  }

  /** The exact number of points. In strict mode (`search_allow_exact: false`) the points are counted one by one. */
  async count(name: string): Promise<number> {
    try {
      const { count } = await this.#result<{ count: number }>(
        "POST",
        `${path(name)}/points/count`,
        { exact: true },
      );
      return count;
    } catch (error) {
      if (!isRefused(error)) throw error;
      return await this.#countByScroll(name);
    }
  }

  async #countByScroll(name: string): Promise<number> {
    let [count, limit] = [0, scrollLimit];
    let offset: unknown = null;
    do {
      const body = { limit, offset, with_payload: false, with_vector: false };
      try {
        const page = await this.#result<{ points: unknown[]; next_page_offset?: unknown }>(
          "POST",
          `${path(name)}/points/scroll`,
          body,
        );
        count += page.points.length;
        offset = page.next_page_offset ?? null;
        if (offset === null) return count;
      } catch (error) {
        if (!isRefused(error) || limit === 1) throw error;
        limit = Math.ceil(limit / 10);
      }
    } while (!this.#signal.aborted);
    throw this.#signal.reason;
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
    const end = systemClock.monotonicMs() + rateLimitMs;
    for (;;) {
      try {
        return JSON.parse(await text(await this.#send(method, target, headers, content)));
      } catch (error) {
        const isLimited = error instanceof QdrantError && error.status === 429;
        if (!isLimited || systemClock.monotonicMs() >= end) throw error;
        await systemClock.sleep(error.retryAfterMs, this.#signal);
      }
    }
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
    throw new QdrantError(
      `qdrant: ${method} ${target.split("?")[0]}: HTTP ${status}: ${said}`,
      status,
      response.headers["retry-after"],
    );
  }
}

/** Waits for a server that loads its collections: until then it does not listen. */
export async function awaitQdrant(client: QdrantClient, signal: AbortSignal): Promise<void> {
  const ready = await waitFor(
    async () => {
      try {
        await client.version();
        return true;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        const isLoading = error instanceof QdrantError && error.status === 503;
        if (code === "ECONNREFUSED" || code === "ECONNRESET" || isLoading) return undefined;
        throw error;
      }
    },
    { clock: systemClock, timeoutMs: loadingMs, everyMs: 500, signal },
  );
  if (ready === undefined) throw new Error("qdrant: the server did not answer within 10 minutes");
}

/** Whether strict mode refuses the request. */
function isRefused(error: unknown): boolean {
  return error instanceof QdrantError && [400, 403].includes(error.status);
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
