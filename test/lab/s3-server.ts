import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** What a server does other than Amazon's. */
export interface Ways {
  readonly versions?: boolean;
  readonly lock?: boolean;
  /** Takes a longer lock, and keeps the one that was there. */
  readonly forgetsRetention?: boolean;
  /** Credentials that may only add. */
  readonly appendOnly?: boolean;
  /** Takes a wrong checksum, and tells it afterwards. */
  readonly believes?: boolean;
  readonly overwrites?: boolean;
  readonly tellsNoChecksum?: boolean;
  readonly etagIsNoMd5?: boolean;
  /** What fits on a page of a list. */
  readonly page?: number;
  /** Cuts a list off after a page and does not tell where it goes on, as those who know only the older list do. */
  readonly losesMarkers?: boolean;
  /** A path that the service stands below, such as `/storage/v1/s3`. */
  readonly below?: string;
  /** Credentials that may not list: they are not told either that nothing is at a key. */
  readonly deniesLists?: boolean;
  /** Where the bucket is: what is signed for another region is redirected. */
  readonly region?: string;
  /** How far its clock is ahead, in milliseconds. */
  readonly aheadMs?: number;
  /** Sends the whole object, whatever part of it was asked for. */
  readonly ignoresRanges?: boolean;
}

interface Version {
  readonly id: string;
  readonly at: Date;
  body: Buffer;
  readonly etag: string;
  readonly checksum: string | undefined;
  lock: { readonly mode: string; readonly until: string } | undefined;
  readonly isMarker?: boolean;
}

interface Upload {
  readonly key: string;
  readonly at: Date;
  readonly checksums: boolean;
  readonly lock: Version["lock"];
  readonly parts: Map<number, { body: Buffer; etag: string; sha256: string }>;
}

/** A stand-in for Amazon S3: what the tests need of its contract, checked as strictly; signatures are not. */
export class S3Server implements AsyncDisposable {
  ways: Ways;
  readonly objects = new Map<string, Version[]>();
  readonly uploads = new Map<string, Upload>();
  /** Every part that was stored, such as `UPLOAD 1`. */
  readonly stored: string[] = [];
  /** Called for each request as it comes. */
  onRequest: (count: number) => void = () => undefined;
  /** Every request, such as `PUT key ?partNumber=1`. */
  readonly requests: string[] = [];
  /** Every request for the rest of an object, such as `key 1000`. */
  readonly ranges: string[] = [];
  readonly #server: Server;

  private constructor(ways: Ways) {
    this.ways = ways;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(ways: Ways = {}): Promise<S3Server> {
    const made = new S3Server(ways);
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.ways.below ?? ""}`;
  }

  /** The current content of a key. */
  content(key: string): Buffer | undefined {
    const last = this.objects.get(key)?.at(-1);
    return last?.isMarker === true ? undefined : last?.body;
  }

  /** Changes a byte of a stored object, as a disk does. */
  flip(key: string, version = 0): void {
    const found = this.objects.get(key)?.at(version);
    if (found === undefined) throw new Error(`no ${key}`);
    found.body = Buffer.from(found.body);
    const at = found.body.length >> 1;
    found.body[at] = (found.body[at] ?? 0) ^ 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://server");
    const { below = "" } = this.ways;
    if (!url.pathname.startsWith(`${below}/`)) return void response.writeHead(404).end();
    const [, , ...rest] = url.pathname.slice(below.length).split("/");
    const key = decodeURIComponent(rest.join("/"));
    const query = url.searchParams;
    const told = ["partNumber", "uploads", "versions", "list-type", "retention"].filter((name) =>
      query.has(name),
    );
    this.requests.push(
      `${request.method} ${key} ${told.map((name) => `?${name}=${query.get(name)}`).join("")}`.trim(),
    );
    this.onRequest(this.requests.length);
    const body = await buffer(request);
    const date = new Date(Date.now() + (this.ways.aheadMs ?? 0));
    const send: Context["send"] = (status, headers = {}, text = "") => {
      const length = {
        ...{ "content-length": String(Buffer.byteLength(text)), date: date.toUTCString() },
      };
      response.writeHead(status, { ...length, ...headers });
      response.end(request.method === "HEAD" ? undefined : text);
      return true;
    };
    const fail = (status: number, code: string) =>
      send(
        status,
        { "content-type": "application/xml" },
        `<Error><Code>${code}</Code><Message>${code}</Message></Error>`,
      );
    const xml = (name: string, inner: string, headers = {}) =>
      send(
        200,
        { "content-type": "application/xml", ...headers },
        `<?xml version="1.0"?><${name}>${inner}</${name}>`,
      );
    const context = { request, query, key, body, send, fail, xml };
    if (Math.abs(signedAt(request).getTime() - date.getTime()) > 15 * 60 * 1000) {
      fail(403, "RequestTimeTooSkewed");
    } else if (this.ways.region !== undefined && signedFor(request) !== this.ways.region) {
      this.#redirect(context, this.ways.region);
    } else if (request.method === "GET" && key === "") this.#lists(context);
    else if (request.method === "PUT") this.#put(context);
    else if (request.method === "POST") this.#post(context);
    else if (request.method === "DELETE") this.#delete(context);
    else this.#get(context);
  }

  /** As Amazon's does: a HEAD has no body to tell it in. */
  #redirect({ request, send }: Context, region: string): true {
    const headers = { "content-type": "application/xml", "x-amz-bucket-region": region };
    if (request.method === "HEAD") return send(400, headers);
    const text = "<Code>PermanentRedirect</Code><Message>use another endpoint</Message>";
    return send(301, headers, `<Error>${text}</Error>`);
  }

  #put(context: Context): true {
    const { request, query, key, body, send, fail } = context;
    if (query.has("retention")) return this.#retain(context);
    const header = (name: string) => request.headers[name] as string | undefined;
    const signed = header("x-amz-content-sha256") ?? "";
    const sha256 = createHash("sha256").update(body);
    const hex = sha256.copy().digest("hex");
    const base64 = sha256.digest("base64");
    const { believes = false, overwrites = false, etagIsNoMd5 = false } = this.ways;
    if (/^[0-9a-f]{64}$/.test(signed) && signed !== hex && !believes) {
      return fail(400, "XAmzContentSHA256Mismatch");
    }
    const told = header("x-amz-checksum-sha256");
    if (told !== undefined && told !== base64 && !believes) return fail(400, "BadDigest");
    const md5 = createHash("md5").update(body).digest("hex");
    const etag = etagIsNoMd5 ? randomBytes(16).toString("hex") : md5;
    const upload = query.get("uploadId");
    if (upload !== null) {
      const found = this.uploads.get(upload);
      if (found === undefined) return fail(404, "NoSuchUpload");
      this.stored.push(`${upload} ${query.get("partNumber")}`);
      found.parts.set(Number(query.get("partNumber")), { body, etag, sha256: told ?? base64 });
      return send(200, { etag: `"${etag}"` });
    }
    if (header("if-none-match") === "*" && !overwrites && this.content(key) !== undefined) {
      return fail(412, "PreconditionFailed");
    }
    this.#store(key, { body, etag, checksum: told, lock: this.#lockOf(request) });
    return send(200, { etag: `"${etag}"` });
  }

  /** A lock may be lengthened, and nothing else. */
  #retain({ query, key, body, send, fail }: Context): true {
    const id = query.get("versionId");
    const versions = this.objects.get(key) ?? [];
    const found = id === null ? versions.at(-1) : versions.find((one) => one.id === id);
    if (found === undefined) return fail(404, "NoSuchKey");
    if (this.ways.lock !== true) return fail(400, "InvalidRequest");
    const mode = /<Mode>(\w+)/.exec(body.toString())?.[1] ?? "";
    const until = /<RetainUntilDate>([^<]+)/.exec(body.toString())?.[1] ?? "";
    const before = found.lock;
    const isShorter = Date.parse(until) < Date.parse(before?.until ?? "1970-01-01");
    if (isShorter || (before !== undefined && before.mode !== mode))
      return fail(403, "AccessDenied");
    if (this.ways.forgetsRetention !== true) found.lock = { mode, until };
    return send(200);
  }

  #lockOf(request: IncomingMessage): Version["lock"] {
    const mode = request.headers["x-amz-object-lock-mode"];
    const until = request.headers["x-amz-object-lock-retain-until-date"];
    if (this.ways.lock !== true || mode === undefined) return undefined;
    return { mode: String(mode), until: String(until) };
  }

  #store(key: string, version: Omit<Version, "id" | "at">): void {
    const made = { ...version, id: randomBytes(8).toString("hex"), at: new Date() };
    const before = this.ways.versions === true ? (this.objects.get(key) ?? []) : [];
    this.objects.set(key, [...before, made]);
  }

  #post({ request, query, key, body, fail, xml }: Context): true {
    if (query.has("uploads")) {
      const id = randomBytes(8).toString("hex");
      const checksums = request.headers["x-amz-checksum-algorithm"] === "SHA256";
      const upload = {
        key,
        at: new Date(),
        checksums,
        lock: this.#lockOf(request),
        parts: new Map(),
      };
      this.uploads.set(id, upload);
      return xml("InitiateMultipartUploadResult", `<UploadId>${id}</UploadId>`);
    }
    const id = query.get("uploadId") ?? "";
    const upload = this.uploads.get(id);
    if (upload === undefined) return fail(404, "NoSuchUpload");
    const exists = this.content(key) !== undefined && this.ways.overwrites !== true;
    if (request.headers["if-none-match"] === "*" && exists) return fail(412, "PreconditionFailed");
    const named = [...body.toString().matchAll(/<Part>.*?<\/Part>/gs)].map(([text]) => ({
      number: Number(/<PartNumber>(\d+)/.exec(text)?.[1]),
      etag: /<ETag>(?:"|&quot;)?([0-9a-f]+)/.exec(text)?.[1],
      sha256: /<ChecksumSHA256>([^<]+)/.exec(text)?.[1],
    }));
    const parts = named.map((part) => {
      const found = upload.parts.get(part.number);
      const same =
        found?.etag === part.etag && (!upload.checksums || found?.sha256 === part.sha256);
      return same ? found : undefined;
    });
    if (parts.length === 0 || parts.includes(undefined)) return fail(400, "InvalidPart");
    const of = (name: "etag" | "sha256", encoding: "hex" | "base64", algorithm: string) => {
      const all = Buffer.concat(parts.map((part) => Buffer.from(part?.[name] ?? "", encoding)));
      return createHash(algorithm).update(all).digest(encoding);
    };
    const checksum = upload.checksums
      ? `${of("sha256", "base64", "sha256")}-${parts.length}`
      : undefined;
    const etag = `${of("etag", "hex", "md5")}-${parts.length}`;
    const whole = Buffer.concat(parts.map((part) => part?.body ?? Buffer.alloc(0)));
    this.#store(key, { body: whole, etag, checksum, lock: upload.lock });
    this.uploads.delete(id);
    return xml("CompleteMultipartUploadResult", `<ETag>"${etag}"</ETag>`);
  }

  #delete({ query, key, send, fail }: Context): true {
    if (this.ways.appendOnly === true) return fail(403, "AccessDenied");
    const upload = query.get("uploadId");
    if (upload !== null) {
      this.uploads.delete(upload);
      return send(204);
    }
    const versions = this.objects.get(key) ?? [];
    const id = query.get("versionId");
    if (id === null && this.ways.versions === true) {
      this.#store(key, {
        body: Buffer.alloc(0),
        etag: "",
        checksum: undefined,
        lock: undefined,
        isMarker: true,
      });
      return send(204);
    }
    const gone = versions.filter((one) => id === null || one.id === id);
    const isLocked = gone.some(({ lock }) => Date.parse(lock?.until ?? "") > Date.now());
    if (isLocked) return fail(403, "AccessDenied");
    const left = versions.filter((one) => !gone.includes(one));
    if (left.length === 0) this.objects.delete(key);
    else this.objects.set(key, left);
    return send(204);
  }

  #get({ request, query, key, send, fail, xml }: Context): true {
    const upload = this.uploads.get(query.get("uploadId") ?? "");
    if (query.has("uploadId")) {
      if (upload === undefined) return fail(404, "NoSuchUpload");
      const after = Number(query.get("part-number-marker") ?? 0);
      const all = [...upload.parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
      const page = all.slice(0, this.ways.page ?? 1000);
      const parts = page.map(
        ([number, { body, etag, sha256 }]) =>
          `<Part><PartNumber>${number}</PartNumber><Size>${body.length}</Size><ETag>"${etag}"</ETag>${upload.checksums ? `<ChecksumSHA256>${sha256}</ChecksumSHA256>` : ""}</Part>`,
      );
      const more = page.length < all.length;
      const next = more ? `<NextPartNumberMarker>${page.at(-1)?.[0]}</NextPartNumberMarker>` : "";
      return xml("ListPartsResult", `${parts.join("")}<IsTruncated>${more}</IsTruncated>${next}`);
    }
    const id = query.get("versionId");
    const all = this.objects.get(key) ?? [];
    const found = id === null ? all.at(-1) : all.find((one) => one.id === id);
    if (found === undefined || found.isMarker === true) {
      return this.ways.deniesLists === true ? fail(403, "AccessDenied") : fail(404, "NoSuchKey");
    }
    const { body, etag, checksum, lock } = found;
    const tells =
      this.ways.tellsNoChecksum !== true && request.headers["x-amz-checksum-mode"] === "ENABLED";
    const headers = {
      etag: `"${etag}"`,
      ...(tells && checksum !== undefined ? { "x-amz-checksum-sha256": checksum } : {}),
      ...(lock === undefined
        ? {}
        : {
            "x-amz-object-lock-mode": lock.mode,
            "x-amz-object-lock-retain-until-date": lock.until,
          }),
    };
    const asked = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const from = this.ways.ignoresRanges === true ? 0 : asked;
    if (from > 0) this.ranges.push(`${key} ${from}`);
    const part = body.subarray(from);
    const length = request.method === "HEAD" ? body.length : part.length;
    const about = { ...headers, "content-length": String(length) };
    if (from === 0) return send(200, about, part);
    const range = `bytes ${from}-${body.length - 1}/${body.length}`;
    return send(206, { ...about, "content-range": range }, part);
  }

  #lists({ query, fail, xml }: Context): true {
    if (this.ways.deniesLists === true) return fail(403, "AccessDenied");
    const prefix = query.get("prefix") ?? "";
    const size = this.ways.page ?? 1000;
    if (query.has("uploads")) {
      // Of one key in the order in which they were begun.
      const found = [...this.uploads]
        .filter(([, { key }]) => key.startsWith(prefix))
        .sort(([, a], [, b]) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      const after = query.get("upload-id-marker");
      const left = found.slice(after === null ? 0 : found.findIndex(([id]) => id === after) + 1);
      const page = left.slice(0, size);
      const rows = page.map(
        ([id, { key, at }]) =>
          `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${at.toISOString()}</Initiated></Upload>`,
      );
      const more = page.length < left.length;
      const [last] = page.slice(-1);
      const next = more
        ? `<NextKeyMarker>${last?.[1].key}</NextKeyMarker><NextUploadIdMarker>${last?.[0]}</NextUploadIdMarker>`
        : "";
      const rest = `<IsTruncated>${more}</IsTruncated>${next}`;
      return xml("ListMultipartUploadsResult", `${rows.join("")}${rest}`);
    }
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    keys.sort((a, b) => (a < b ? -1 : 1));
    if (query.has("versions")) {
      const rows = keys.flatMap((key) =>
        (this.objects.get(key) ?? [])
          .filter(({ isMarker }) => isMarker !== true)
          .toReversed()
          .map(
            ({ id, at, body }) =>
              `<Version><Key>${key}</Key><VersionId>${this.ways.versions === true ? id : "null"}</VersionId><Size>${body.length}</Size><LastModified>${at.toISOString()}</LastModified></Version>`,
          ),
      );
      const isCut = this.ways.losesMarkers === true && rows.length > size;
      const page = isCut ? rows.slice(0, size) : rows;
      return xml("ListVersionsResult", `${page.join("")}<IsTruncated>${isCut}</IsTruncated>`);
    }
    const after = query.get("continuation-token") ?? "";
    const left = keys.filter((key) => key > after && this.content(key) !== undefined);
    const page = left.slice(0, size);
    const rows = page.map(
      (key) => `<Contents><Key>${key}</Key><Size>${this.content(key)?.length}</Size></Contents>`,
    );
    const more = page.length < left.length;
    const tells = more && this.ways.losesMarkers !== true;
    const next = tells ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    return xml("ListBucketResult", `${rows.join("")}<IsTruncated>${more}</IsTruncated>${next}`);
  }
}

function signedAt(request: IncomingMessage): Date {
  const text = String(request.headers["x-amz-date"] ?? "");
  const [, day = "", time = ""] = /^(\d{8})T(\d{6})Z$/.exec(text) ?? [];
  // Who sends no date is a client of the tests that signs nothing.
  if (day === "") return new Date();
  const at = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
  return new Date(`${at}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`);
}

function signedFor(request: IncomingMessage): string | undefined {
  const authorization = request.headers.authorization ?? "";
  return /Credential=[^/]+\/\d+\/([^/]+)\//.exec(authorization)?.[1];
}

interface Context {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  readonly key: string;
  readonly body: Buffer;
  send(status: number, headers?: Record<string, string>, text?: string | Buffer): true;
  fail(status: number, code: string): true;
  xml(name: string, inner: string, headers?: Record<string, string>): true;
}
