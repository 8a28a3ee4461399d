import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { shutDown } from "./loopback-server.ts";

interface Entry {
  readonly key: string;
  readonly version: string;
  /** The branch that saved it. */
  readonly scope: string;
  readonly blocks: Map<string, Buffer>;
  body: Buffer | undefined;
  isFinal: boolean;
}

/** What a call says. */
interface Message {
  readonly key?: string;
  readonly version?: string;
  readonly size_bytes?: string;
  readonly sizeBytes?: string;
  readonly restore_keys?: readonly string[];
  readonly restoreKeys?: readonly string[];
}

/**
 * A stand-in for GitHub's cache service, version 2: the calls of its client and the blob storage behind them, checked as
 * strictly as they are documented, and refused with a reason otherwise. A run reads the entries of its own branch and of the
 * default branch.
 */
export class CacheServer implements AsyncDisposable {
  readonly entries: Entry[] = [];
  /** What no client should have sent. */
  readonly wrong: string[] = [];
  /** What all entries together may hold. */
  limitBytes = 10 * 2 ** 30;
  /** Tokens of runs, with their branch; `main` is the default one. */
  readonly tokens = new Map([["token-of-main", "main"]]);
  /** Those that may only read. */
  readonly readOnly = new Set<string>();
  /** Answers a call with this status, such as 503. */
  failing: { readonly method: RegExp; readonly status: number } | undefined;
  readonly calls: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.wrong.push(String(error));
        response.destroy();
      });
    });
  }

  static async start(): Promise<CacheServer> {
    const made = new CacheServer();
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** The environment of a step in a run of the default branch. */
  environment(workspace: string, temporary: string): Record<string, string> {
    return {
      ACTIONS_RESULTS_URL: this.url,
      ACTIONS_RUNTIME_TOKEN: "token-of-main",
      ACTIONS_CACHE_SERVICE_V2: "true",
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_WORKSPACE: workspace,
      RUNNER_TEMP: temporary,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await shutDown(this.#server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://server");
    const body = await buffer(request);
    const [, , service = "", method = ""] = url.pathname.split("/");
    const what = service.endsWith("CacheService") ? method : `${request.method} blob`;
    this.calls.push(what);
    const failing = this.failing;
    if (failing?.method.test(what) === true) {
      response.writeHead(failing.status, { "content-type": "application/json" });
      return void response.end(JSON.stringify({ code: "unavailable", msg: "try again later" }));
    }
    if (url.pathname.startsWith("/blobs/")) {
      this.#blob(request, url, body, response);
      return;
    }
    const answer = this.#call(request, method, body);
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  }

  #refuse(code: string, msg: string, status = 400) {
    this.wrong.push(`${code}: ${msg}`);
    return { status, body: { code, msg } };
  }

  #call(request: IncomingMessage, method: string, body: Buffer) {
    const { authorization = "", "content-type": type = "" } = request.headers;
    const branch = this.tokens.get(authorization.replace(/^Bearer /, ""));
    if (branch === undefined) return this.#refuse("unauthenticated", "no such token", 401);
    if (request.method !== "POST" || !type.startsWith("application/json")) {
      return this.#refuse("malformed", `${request.method} ${type}`);
    }
    // The client writes some names as the service does, and others as its own language does.
    const message = JSON.parse(body.toString("utf8")) as Message;
    const { key, version = "" } = message;
    const isKey = typeof key === "string" && key !== "" && key.length <= 512 && !key.includes(",");
    if (!isKey) return this.#refuse("invalid_argument", `key is ${JSON.stringify(key)}`);
    if (!/^[0-9a-f]{64}$/.test(version)) {
      return this.#refuse("invalid_argument", `version is ${version}`);
    }
    const named = (one: Entry) =>
      one.key === key && one.version === version && one.scope === branch;
    if (method === "CreateCacheEntry") {
      if (this.readOnly.has(branch)) {
        return { status: 200, body: { ok: false, message: "cache write denied: read-only token" } };
      }
      if (this.entries.some(named)) {
        return { status: 409, body: { code: "already_exists", msg: "cache entry exists" } };
      }
      const made = { key, version, scope: branch };
      const at = this.entries.push({ ...made, blocks: new Map(), body: undefined, isFinal: false });
      const signed = `${this.url}blobs/account/cache/${at - 1}?sig=w&se=2099-01-01`;
      return { status: 200, body: { ok: true, signed_upload_url: signed } };
    }
    if (method === "FinalizeCacheEntryUpload") {
      const at = this.entries.findIndex(named);
      const entry = this.entries[at];
      if (entry?.body === undefined) return this.#refuse("not_found", "nothing was uploaded", 404);
      if (String(message.size_bytes ?? message.sizeBytes) !== String(entry.body.length)) {
        return this.#refuse("invalid_argument", "the size is not that of the blob");
      }
      const total = this.entries.reduce((sum, one) => sum + (one.body?.length ?? 0), 0);
      if (total > this.limitBytes) {
        this.entries.splice(at, 1);
        return { status: 200, body: { ok: false, message: "the repository's caches are full" } };
      }
      entry.isFinal = true;
      return { status: 200, body: { ok: true, entry_id: String(at + 1) } };
    }
    if (method === "GetCacheEntryDownloadURL") {
      const keys = [key, ...(message.restore_keys ?? message.restoreKeys ?? [])];
      for (const scope of [branch, "main"]) {
        for (const wanted of keys) {
          const found = this.entries.findLast(
            (one) =>
              one.isFinal &&
              one.version === version &&
              one.scope === scope &&
              one.key.startsWith(wanted),
          );
          if (found === undefined) continue;
          const signed = `${this.url}blobs/account/cache/${this.entries.indexOf(found)}?sig=r&se=2099-01-01`;
          const answer = { ok: true, signed_download_url: signed, matched_key: found.key };
          return { status: 200, body: answer };
        }
      }
      return { status: 200, body: { ok: false } };
    }
    return this.#refuse("bad_route", method, 404);
  }

  #blob(request: IncomingMessage, url: URL, body: Buffer, response: ServerResponse) {
    const end = (status: number, headers = {}, content: Buffer | string = "") => {
      response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(content) });
      return response.end(content);
    };
    const refuse = (why: string) => {
      this.wrong.push(why);
      return end(403, { "x-ms-error-code": "AuthenticationFailed" });
    };
    const entry = this.entries[Number(url.pathname.split("/").at(-1))];
    const [sig, comp] = [url.searchParams.get("sig"), url.searchParams.get("comp")];
    if (entry === undefined) return refuse("no such blob");
    if (request.headers.authorization !== undefined) return refuse("a token was sent to the blobs");
    if (request.method === "GET") {
      if (sig !== "r" || entry.body === undefined) return refuse("not signed for reading");
      return end(200, { "content-type": "application/octet-stream" }, entry.body);
    }
    if (request.method !== "PUT" || sig !== "w") return refuse("not signed for writing");
    if (entry.isFinal) return refuse("what is saved does not change");
    if (Number(request.headers["content-length"]) !== body.length) return refuse("cut short");
    const md5 = request.headers["content-md5"];
    if (md5 !== undefined && md5 !== createHash("md5").update(body).digest("base64")) {
      return end(400, { "x-ms-error-code": "Md5Mismatch" });
    }
    if (comp === "block") {
      entry.blocks.set(url.searchParams.get("blockid") ?? "", body);
    } else if (comp === "blocklist") {
      const ids = [...body.toString("utf8").matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(
        ([, id]) => id,
      );
      const blocks = ids.map((id) => entry.blocks.get(id ?? ""));
      if (blocks.length === 0 || blocks.includes(undefined)) {
        return end(400, { "x-ms-error-code": "InvalidBlockList" });
      }
      entry.body = Buffer.concat(blocks as Buffer[]);
    } else if (request.headers["x-ms-blob-type"] === "BlockBlob") {
      entry.body = body;
    } else {
      return refuse(`comp is ${comp}, and it is no block blob`);
    }
    return end(201, { etag: '"0x1"', "last-modified": new Date().toUTCString() });
  }
}
