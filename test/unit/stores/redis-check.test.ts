import { Readable, Writable } from "node:stream";
import { expect, it } from "vitest";
import { ExecError } from "../../../src/core/exec.ts";
import type { Component } from "../../../src/model/manifest.ts";
import type { CheckContext } from "../../../src/stores/store.ts";
import { storeOfKind } from "../../../src/stores/stores.ts";
import { manifestOf } from "../../contract/verify/backup.ts";

/** The check of an RDB whose checker says this and ends like that. */
async function checkWith(said: string, exitCode: number) {
  const ended = async () => {
    if (exitCode === 0) return { exitCode, stderr: "" };
    const how = { signal: null, timedOut: false, stderr: "", stdout: said };
    throw new ExecError({ command: "docker run redis-check-rdb", exitCode, ...how });
  };
  const done = ended();
  done.catch(() => undefined);
  const stdin = new Writable({ write: (_chunk, _encoding, next) => next() });
  const context = {
    signal: new AbortController().signal,
    open: async () => Readable.from([Buffer.from("REDIS0012")]),
    containers: {
      runOnce: () => ({ stdout: Readable.from([Buffer.from(said)]), stdin, pid: 1, done }),
    },
    manifest: {
      ...manifestOf("sophon-20260102T030405Z-00aa", []),
      services: { redis: { imageId: "sha256:1" } },
    },
  } as unknown as CheckContext;
  const component = {
    ...{ name: "redis", store: "redis", service: "redis", details: {} },
    counts: { keys: 2, "keys with a TTL": 1 },
  } as unknown as Component;
  return (await storeOfKind("redis")?.check(component, context)) ?? [];
}

const good = "[info] 2 keys read\n[info] 1 expires\n\\o/ RDB looks OK! \\o/\n";

it("takes an RDB for good whose checker reads all of it", async () => {
  expect(await checkWith(good, 0)).toMatchObject([{ status: "pass" }]);
});

it("takes an RDB for damaged whose checker says so, or counts otherwise", async () => {
  const wrong = "--- RDB ERROR DETECTED ---\n[offset 9] Unexpected EOF reading RDB file\n";
  expect(await checkWith(wrong, 1)).toMatchObject([{ status: "fail" }]);
  expect(await checkWith(good.replace("2 keys", "3 keys"), 0)).toMatchObject([{ status: "fail" }]);
});

it("says nothing of an RDB whose checker is killed or cannot be started", async () => {
  for (const code of [125, 127, 137]) {
    expect(await checkWith("", code)).toMatchObject([{ status: "unverifiable" }]);
  }
});
