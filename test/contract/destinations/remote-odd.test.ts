import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/core/hash.ts";
import { S3Store } from "../../../src/destinations/s3/s3-store.ts";
import { onLoopback, shutDown } from "../../lab/loopback-server.ts";
import { type Fault, S3Proxy } from "../../lab/s3-proxy.ts";
import { S3Server, type Ways } from "../../lab/s3-server.ts";
import { madeBackup, type S3Options, shipmentOf, transferContext } from "./remote-subject.ts";
import { s3Remote, testCredentials } from "./s3-subject.ts";

// Servers, clocks and rights that are not what somebody believed.

Object.assign(process.env, testCredentials, { AWS_EC2_METADATA_DISABLED: "true" });

const address = { bucket: "bucket", prefix: "p" };
const partBytes = 2 ** 20;
const at = (endpoint: string, more: Partial<S3Options> = {}) =>
  s3Remote({ endpoint, address, partBytes, ...more });

/** Sends a backup of several parts. @returns what went wrong. */
async function failureOf(endpoint: string, more: Partial<S3Options> = {}): Promise<unknown> {
  await using backup = await madeBackup(3);
  return await at(endpoint, more)
    .deliver(await shipmentOf(backup), transferContext())
    .then(
      () => undefined,
      (error: unknown) => error,
    );
}

describe("a server that says 200 and then that it failed", () => {
  const isCompletion = (method: string, path: string) =>
    method === "POST" && path.includes("uploadId=");

  it.each<readonly [Fault, number]>([
    ["200-500", 2],
    ["cut", 1],
    ["gone", 1],
  ])("is asked again (%s), and no part is sent twice", async (fault, times) => {
    await using backup = await madeBackup(3);
    await using server = await S3Server.start();
    await using proxy = await S3Proxy.before(server.endpoint);
    let left = times;
    proxy.fault = (method, path) => {
      if (!isCompletion(method, path) || left === 0) return undefined;
      left -= 1;
      return fault;
    };
    await at(proxy.endpoint).deliver(await shipmentOf(backup), transferContext());
    const key = `p/stack/backups/${backup.id}/data.tar.zst.age`;
    expect(server.content(key)?.equals(backup.files.get("data.tar.zst.age") as Buffer)).toBe(true);
    expect(server.stored.length).toBe(4);
  });

  it.each<readonly [Fault, string]>([
    ["200-500", "unreachable"],
    ["200-403", "denied"],
  ])(
    "every time leaves no backup, and the upload fails with the cause (%s)",
    async (fault, errorClass) => {
      await using server = await S3Server.start();
      await using proxy = await S3Proxy.before(server.endpoint);
      proxy.fault = (method, path) => (isCompletion(method, path) ? fault : undefined);
      expect(await failureOf(proxy.endpoint)).toMatchObject({ exitCode: 3, class: errorClass });
      expect(await at(server.endpoint).list(undefined, transferContext())).toEqual([]);
    },
  );
});

describe("credentials", () => {
  it("that expire while a file is sent are called that; with new ones no part is sent twice", async () => {
    await using backup = await madeBackup(5);
    await using server = await S3Server.start();
    await using proxy = await S3Proxy.before(server.endpoint);
    let parts = 0;
    let isExpired = false;
    proxy.fault = (method, path) => {
      if (method === "PUT" && path.includes("partNumber=")) parts += 1;
      isExpired ||= parts === 3;
      return isExpired ? "expired" : undefined;
    };
    const sending = at(proxy.endpoint).deliver(await shipmentOf(backup), transferContext());
    await expect(sending).rejects.toMatchObject({
      ...{ exitCode: 3, class: "expired" },
      hint: expect.stringContaining("role-duration-seconds"),
    });
    const sent = server.stored.length;
    expect(sent).toBeGreaterThan(0);
    proxy.fault = () => undefined;
    await at(proxy.endpoint).deliver(await shipmentOf(backup), transferContext());
    expect(new Set(server.stored).size).toBe(server.stored.length);
    expect(server.stored.length).toBe(6);
  });

  it("that may not list fail with the missing right, and not as if nothing were there", async () => {
    await using server = await S3Server.start({ deniesLists: true });
    expect(await failureOf(server.endpoint)).toMatchObject({
      ...{ class: "denied", message: expect.stringContaining("AccessDenied") },
      hint: expect.stringContaining("s3:ListBucket"),
    });
    const listing = at(server.endpoint).list("stack", transferContext());
    await expect(listing).rejects.toMatchObject({ exitCode: 5, class: "denied" });
  });

  it.each<readonly [string, (method: string, path: string) => boolean]>([
    ["read what lies there (HEAD)", (method) => method === "HEAD"],
    ["read (GET)", (method, path) => method === "GET" && !/[?&](uploads|list-type)/.test(path)],
    ["write", (method) => method === "PUT"],
    ["begin an upload in parts", (method, path) => method === "POST" && path.includes("uploads")],
  ])("that may not %s leave no backup, and it is told", async (_name, denied) => {
    await using server = await S3Server.start();
    await using proxy = await S3Proxy.before(server.endpoint);
    proxy.fault = (method, path) => (denied(method, path) ? "403" : undefined);
    expect(await failureOf(proxy.endpoint)).toMatchObject({ exitCode: 3, class: "denied" });
    expect(await at(server.endpoint).list(undefined, transferContext())).toEqual([]);
  });

  it.each([/[?&]uploads/, /[?&]uploadId=.*|x-id=ListParts/])(
    "that may not list what was begun (%s) send everything again",
    async (what) => {
      await using backup = await madeBackup(3);
      await using server = await S3Server.start();
      await using proxy = await S3Proxy.before(server.endpoint);
      proxy.fault = (method, path) => (method === "GET" && what.test(path) ? "403" : undefined);
      await at(proxy.endpoint).deliver(await shipmentOf(backup), transferContext());
      expect(await at(server.endpoint).list("stack", transferContext())).toHaveLength(1);
    },
  );
});

describe("a bucket", () => {
  it("of another region is named with its region, whichever request finds out", async () => {
    await using server = await S3Server.start({ region: "eu-north-1" });
    const memory = await mkdtemp(join(tmpdir(), "sophon-keeper-memory-"));
    try {
      const found = { class: "redirect", message: expect.stringContaining("eu-north-1") };
      expect(await failureOf(server.endpoint, { memory })).toMatchObject(found);
      const listing = at(server.endpoint).list("stack", transferContext());
      await expect(listing).rejects.toMatchObject(found);
      // What the server promises is known already: the first request has no answer to read.
      expect(await failureOf(server.endpoint, { memory, region: "eu-north-1" })).toBeUndefined();
      expect(await failureOf(server.endpoint, { memory })).toMatchObject(found);
    } finally {
      await rm(memory, { recursive: true, force: true });
    }
  });

  it.each([60, -60])(
    "of a server whose clock is %i minutes ahead is written to",
    async (minutes) => {
      await using backup = await madeBackup(3);
      await using server = await S3Server.start({ aheadMs: minutes * 60_000 });
      await at(server.endpoint).deliver(await shipmentOf(backup), transferContext());
      expect(await at(server.endpoint).list("stack", transferContext())).toHaveLength(1);
    },
  );

  it("in which uploads were begun by the hundred: one of them is continued, always the same", async () => {
    await using backup = await madeBackup(5);
    await using server = await S3Server.start({ page: 2 });
    const cancel = new AbortController();
    server.onRequest = () => {
      if (server.stored.length >= 3) cancel.abort();
    };
    const key = `p/stack/backups/${backup.id}/data.tar.zst.age`;
    const begin = (of: string, ageMs: number) => {
      const upload = { key: of, at: new Date(Date.now() - ageMs), checksums: true };
      server.uploads.set(randomBytes(8).toString("hex"), {
        ...{ ...upload, lock: undefined, parts: new Map() },
      });
    };
    for (let days = 5; days > 0; days -= 1) begin(key, days * 86_400_000);
    for (let count = 1; count <= 5; count += 1) begin(`${key}.of-another`, 0);
    const sending = at(server.endpoint).deliver(
      await shipmentOf(backup),
      transferContext(cancel.signal),
    );
    await expect(sending).rejects.toThrow();
    server.onRequest = () => undefined;
    await at(server.endpoint).deliver(await shipmentOf(backup), transferContext());
    expect(new Set(server.stored).size).toBe(server.stored.length);
    expect(server.stored.length).toBe(6);
  });

  it("holds a backup of the same id under two projects, and only the whole one is listed", async () => {
    await using backup = await madeBackup();
    await using server = await S3Server.start();
    await at(server.endpoint).deliver(await shipmentOf(backup), transferContext());
    const key = (project: string, file: string) => `p/${project}/backups/${backup.id}/${file}`;
    const data = server.objects.get(key("stack", "data.tar.zst.age")) ?? [];
    server.objects.set(key("copied-in-part", "data.tar.zst.age"), data);
    const all = await at(server.endpoint).list(undefined, transferContext());
    expect(all.map(({ project }) => project)).toEqual(["stack"]);
    const sizes = [...server.objects].filter(([one]) => one.startsWith("p/stack/"));
    expect(all[0]?.bytes).toBe(sizes.reduce((sum, [, [one]]) => sum + (one?.body.length ?? 0), 0));
  });

  it("of a server that sends the whole for a part: what is good is not called damaged", async () => {
    await using backup = await madeBackup(3);
    await using server = await S3Server.start({ ignoresRanges: true });
    await using proxy = await S3Proxy.before(server.endpoint);
    await at(server.endpoint).deliver(await shipmentOf(backup), transferContext());
    let asked = 0;
    proxy.fault = (method, path) => {
      if (method !== "GET" || !path.includes("data.tar")) return undefined;
      asked += 1;
      return asked === 1 ? "cut" : undefined;
    };
    const remote = at(proxy.endpoint);
    const { files } = await remote.open("stack", backup.id, transferContext());
    for (const file of files) {
      expect(await remote.check(file, transferContext()), file.name).toBe(true);
    }
    expect(asked).toBe(2);
  });

  it("of which the list is cut off, and nobody knows where it goes on, cannot be read: nothing is missing there", async () => {
    await using backup = await madeBackup();
    await using server = await S3Server.start({ page: 2, losesMarkers: true });
    const remote = at(server.endpoint);
    await remote.deliver(await shipmentOf(backup), transferContext());
    const cutOff = { exitCode: 5, message: expect.stringContaining("where its list goes on") };
    await expect(remote.list("stack", transferContext())).rejects.toMatchObject(cutOff);
    await expect(remote.open("stack", backup.id, transferContext())).rejects.toMatchObject(cutOff);
  });

  it("of a server below a path of its address holds a backup as any does", async () => {
    await using backup = await madeBackup(3);
    await using server = await S3Server.start({ below: "/storage/v1/s3" });
    const remote = at(server.endpoint);
    await remote.deliver(await shipmentOf(backup), transferContext());
    expect(await remote.list("stack", transferContext())).toHaveLength(1);
  });

  it("takes an empty file, and gives it back", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sophon-keeper-empty-"));
    try {
      const path = join(folder, "empty");
      await writeFile(path, "");
      await using server = await S3Server.start();
      const { store, sha256 } = { store: storeAt(server.endpoint), sha256: sha256Hex("") };
      for (const _again of [1, 2]) {
        const sent = await store.putFile("empty", { path, sha256 }, transferContext());
        expect(sent).toEqual({ bytes: 0, sha256, proof: "sha256" });
      }
      const [object] = await store.list("", transferContext());
      const chunks: Uint8Array[] = [];
      if (object !== undefined) {
        for await (const chunk of store.read(object, 0, transferContext())) chunks.push(chunk);
      }
      expect(Buffer.concat(chunks).length).toBe(0);
      expect(object).toMatchObject({ key: "empty", bytes: 0 });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a lock that is wanted", () => {
  const dayMs = 86_400_000;
  const lock = { mode: "GOVERNANCE", days: 9 } as const;
  const untilOf = (server: S3Server, id: string) =>
    [...server.objects]
      .filter(([key]) => key.includes(`/${id}/`))
      .map(([, versions]) => Date.parse(versions.at(-1)?.lock?.until ?? "1970-01-01"));
  const ways: Ways = { versions: true, lock: true };

  it("is put on what was sent before without one, or with a shorter one", async () => {
    for (const before of [undefined, { ...lock, days: 1 }]) {
      await using backup = await madeBackup(3);
      await using server = await S3Server.start(ways);
      await at(server.endpoint, { lock: before }).deliver(
        await shipmentOf(backup),
        transferContext(),
      );
      await at(server.endpoint, { lock }).deliver(await shipmentOf(backup), transferContext());
      expect(untilOf(server, backup.id)).toHaveLength(4);
      expect(Math.min(...untilOf(server, backup.id))).toBeGreaterThan(Date.now() + 8 * dayMs);
    }
  });

  it("is on a file whose upload was begun without one", async () => {
    await using backup = await madeBackup(5);
    await using server = await S3Server.start(ways);
    const cancel = new AbortController();
    server.onRequest = () => {
      if (server.stored.length >= 3) cancel.abort();
    };
    const begun = at(server.endpoint).deliver(
      await shipmentOf(backup),
      transferContext(cancel.signal),
    );
    await expect(begun).rejects.toThrow();
    server.onRequest = () => undefined;
    await at(server.endpoint, { lock }).deliver(await shipmentOf(backup), transferContext());
    expect(Math.min(...untilOf(server, backup.id))).toBeGreaterThan(Date.now() + 8 * dayMs);
  });

  it("costs no request more where it is there already", async () => {
    await using backup = await madeBackup(3);
    await using server = await S3Server.start(ways);
    await at(server.endpoint, { lock }).deliver(await shipmentOf(backup), transferContext());
    expect(server.requests.filter((one) => one.includes("?retention"))).toEqual([]);
  });
});

it("is no bucket that a page for people answers for: nothing is missing there, and nothing differs", async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome</html>");
  });
  const endpoint = await onLoopback(server);
  try {
    const found = { class: "no-s3", message: expect.stringContaining("no answer of an S3 server") };
    expect(await failureOf(endpoint)).toMatchObject({ exitCode: 3, ...found });
    const remote = at(endpoint);
    await expect(remote.list("stack", transferContext())).rejects.toMatchObject({
      ...{ exitCode: 5, ...found },
    });
    const opening = remote.open("stack", "stack-20260301T021700Z-00aa", transferContext());
    await expect(opening).rejects.toMatchObject({ exitCode: 5, ...found });
  } finally {
    await shutDown(server);
  }
});

it("is not asked without a region, which is told", async () => {
  const { AWS_REGION: _region, AWS_DEFAULT_REGION: _default, ...without } = process.env;
  const before = process.env;
  process.env = { ...without, AWS_CONFIG_FILE: "/nonexistent" };
  try {
    const remote = s3Remote({ address, region: undefined });
    await expect(remote.list("stack", transferContext())).rejects.toMatchObject({
      ...{ exitCode: 2, class: "no-region" },
      hint: expect.stringContaining("upload-region"),
    });
  } finally {
    process.env = before;
  }
});

it("is asked for its promises wherever its address comes from", async () => {
  const memory = await mkdtemp(join(tmpdir(), "sophon-keeper-memory-"));
  const { AWS_ENDPOINT_URL: before } = process.env;
  try {
    for (const name of ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]) {
      for (const _server of [1, 2]) {
        await using server = await S3Server.start();
        process.env[name] = server.endpoint;
        await using backup = await madeBackup();
        const remote = s3Remote({ address, memory });
        await remote.deliver(await shipmentOf(backup), transferContext());
        expect(server.requests.filter((one) => one.includes(".probe/")).length).toBeGreaterThan(0);
      }
    }
  } finally {
    delete process.env.AWS_ENDPOINT_URL_S3;
    if (before === undefined) delete process.env.AWS_ENDPOINT_URL;
    else process.env.AWS_ENDPOINT_URL = before;
    await rm(memory, { recursive: true, force: true });
  }
});

function storeAt(endpoint: string): S3Store {
  return new S3Store({
    ...{ endpoint, address, partBytes, region: "us-east-1", pathStyle: true, retryForMs: 60_000 },
    ...{ stallMs: 30_000, limit: undefined, lock: undefined, memory: undefined },
  });
}
