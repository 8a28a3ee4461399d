import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { waitFor } from "../../../src/core/wait.ts";
import { uploadSnapshots } from "../../../src/operations/manual/restore-qdrant.ts";
import { QdrantClient } from "../../../src/stores/qdrant/client.ts";
import { refusalOfQdrant, refuseAliases } from "../../../src/stores/qdrant/questions.ts";
import { restoreQdrant } from "../../../src/stores/qdrant/restore-tasks.ts";
import {
  backupQdrant,
  type EarlierBackup,
  forgetSnapshots,
  listSnapshots,
  measureQdrant,
} from "../../../src/stores/qdrant/tasks.ts";
import { type QdrantServer, startQdrant } from "./qdrant-server.ts";

const source = (server: QdrantServer) => ({
  directory: server.sink.directory,
  identities: [],
  passphrase: undefined,
});

const backup = ({ params, sink, context }: QdrantServer) =>
  backupQdrant.run({ ...params, sink }, context);

const list = ({ params, context }: QdrantServer, earlier: readonly EarlierBackup[] = []) =>
  listSnapshots.run({ ...params, earlier }, context);

/** Waits until the server says that it has come to where a file makes it wait. */
async function reached(server: QdrantServer, file: string): Promise<void> {
  const path = join(server.snapshots, `${file}.reached`);
  const look = async () => (existsSync(path) ? true : undefined);
  const options = { clock: systemClock, timeoutMs: 30_000, everyMs: 20 };
  if ((await waitFor(look, options)) === undefined) throw new Error(`never came to ${file}`);
}

it("a collection that is deleted during a backup is left out, and the one in its place is in it", async () => {
  await using server = await startQdrant();
  await server.fill("old", 3);
  await server.fill("stays", 4);
  const alias = (name: string) => ({ create_alias: { alias_name: "live", collection_name: name } });
  await server.call("POST", "/collections/aliases", { actions: [alias("old")] });
  const hold = join(server.snapshots, "hold-snapshot");
  await writeFile(hold, "");
  const running = backup(server);
  await reached(server, "hold-snapshot");
  // Ordinary re-indexing: a new collection, the alias moved to it, the old one deleted.
  await server.fill("new", 5);
  await server.call("POST", "/collections/aliases", { actions: [alias("new")] });
  await server.call("DELETE", "/collections/old");
  await rm(hold);
  const components = await running;
  const counts = Object.assign({}, ...components.map((one) => one.counts));
  expect(counts).toMatchObject({ "points in new": 5, "points in stays": 4, aliases: 1 });
  await restoreQdrant.run({ ...server.params, source: source(server), components }, server.context);
  expect(
    (await server.call("POST", "/collections/live/points/count", { exact: true })).result,
  ).toEqual({ count: 5 });
});

it("the snapshots of a deleted collection need no clean-up, and those of others are removed", async () => {
  await using server = await startQdrant();
  await server.fill("gone", 1);
  await server.fill("stays", 1);
  const { known } = await list(server);
  for (const name of ["gone", "stays"]) await server.call("POST", `/collections/${name}/snapshots`);
  await server.call("DELETE", "/collections/gone");
  const removed = await forgetSnapshots.run({ ...server.params, known }, server.context);
  expect(removed).toHaveLength(1);
  expect((await list(server)).known).toEqual({ stays: [] });
});

it("what the server finished after an undone backup is removed by the next one, and nothing else", async () => {
  await using server = await startQdrant();
  await server.fill("one", 3);
  await server.call("POST", "/collections/one/snapshots");
  const { known } = await list(server);
  await delaySecond();
  const from = new Date().toISOString();
  const hold = join(server.snapshots, "hold-snapshot");
  await writeFile(hold, "");
  const gone = new AbortController();
  const { params } = server;
  const cut = backupQdrant.run(
    { ...params, sink: server.sink },
    { ...server.context, signal: gone.signal },
  );
  await reached(server, "hold-snapshot");
  gone.abort(new Error("cancelled"));
  await expect(cut).rejects.toThrow();
  const to = new Date(Date.now() + 1000).toISOString();
  await rm(hold);
  const late = async () =>
    Object.values((await list(server)).known).flat().length === 2 ? true : undefined;
  await waitFor(late, { clock: systemClock, timeoutMs: 30_000 });
  // A backup that knows nothing of the undone one takes it for somebody else's.
  expect((await list(server)).known.one).toHaveLength(2);
  const found = await list(server, [{ known, from, to }]);
  expect(found).toEqual({ known, removed: [expect.stringMatching(/^one-/)] });
  expect((await list(server)).known).toEqual(known);
});

/** Snapshots are named by the second: the next one has another name. */
async function delaySecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  const look = async () => (Math.floor(Date.now() / 1000) > second ? true : undefined);
  await waitFor(look, { clock: systemClock, timeoutMs: 5_000, everyMs: 20 });
}

it("a collection that is not indexed yet serves: nothing waits for green", async () => {
  await using server = await startQdrant();
  await server.fill("busy", 7, { optimizers_config: { max_optimization_threads: 0 } });
  const components = await backup(server);
  const params = { ...server.params, source: source(server), components };
  await restoreQdrant.run(params, server.context);
  const { result } = await server.call("GET", "/collections/busy");
  expect(result).toMatchObject({ status: "yellow", points_count: 7 });
});

it("strict mode: counted by scrolling where exact counts are off, in pages as large as it allows", async () => {
  await using server = await startQdrant();
  const strict = { enabled: true, search_allow_exact: false, max_query_limit: 100 };
  await server.fill("strict", 250, { strict_mode_config: strict });
  expect(await measureQdrant.run(server.params, server.context)).toMatchObject({
    "points in strict": 250,
  });
});

it("strict mode: waits where the rate limit is used up", async () => {
  await using server = await startQdrant();
  const strict = { enabled: true, read_rate_limit: 60 };
  await server.fill("limited", 3, { strict_mode_config: strict });
  const count = () => server.call("POST", "/collections/limited/points/count", { exact: true });
  while ((await count()).status === 200);
  const counts = await measureQdrant.run(server.params, server.context);
  expect(counts).toMatchObject({ "points in limited": 3 });
});

it("a server that still loads its collections is waited for", async () => {
  await using server = await startQdrant();
  await server.fill("one", 2);
  const restarted = server.restart();
  const listed = list(server);
  await restarted;
  expect((await listed).known).toEqual({ one: [] });
});

it("a snapshot by hand whose name is an alias now is refused with both names", async () => {
  await using server = await startQdrant();
  await server.fill("books-2", 2);
  const alias = { alias_name: "books", collection_name: "books-2" };
  await server.call("POST", "/collections/aliases", { actions: [{ create_alias: alias }] });
  const uploads = [{ file: "/none", collection: "books", sha256: "0".repeat(64) }];
  const { endpoint } = server.params;
  const refused = uploadSnapshots.run({ endpoint, uploads }, server.context);
  await expect(refused).rejects.toThrow("books is now an alias of collection books-2");
  expect(await measureQdrant.run(server.params, server.context)).toMatchObject({
    "points in books-2": 2,
  });
  expect(() => refuseAliases([{ collection: "books-2" }], [alias])).not.toThrow();
});

it("a collection named like the settings is not taken for them", async () => {
  await using server = await startQdrant();
  for (const name of ["settings", "Case", "case", "with space"]) {
    await server.fill(encodeURIComponent(name), 1);
  }
  const components = await backup(server);
  expect(new Set(components.map(({ name }) => name.toLowerCase())).size).toBe(5);
  await restoreQdrant.run({ ...server.params, source: source(server), components }, server.context);
  expect(await measureQdrant.run(server.params, server.context)).toMatchObject({ collections: 4 });
});

it("a client without the key is refused, and one with it is not", async () => {
  await using server = await startQdrant({ QDRANT__SERVICE__API_KEY: "right" });
  const { params, context } = server;
  expect(await refusalOfQdrant.run(params, context)).toBeNull();
  for (const apiKey of [undefined, "wrong"]) {
    const endpoint = { ...params.endpoint, apiKey };
    expect(await refusalOfQdrant.run({ ...params, endpoint }, context)).toBe(401);
  }
});

it("a truncated upload leaves no collection, and a changed byte is found by the checksum alone", async () => {
  await using server = await startQdrant();
  await server.fill("one", 50);
  const { result } = await server.call("POST", "/collections/one/snapshots");
  const { name, checksum } = result as { name: string; checksum: string };
  const { params, context } = server;
  const client = new QdrantClient(params.endpoint, context.signal);
  const whole = Buffer.concat(await (await client.download("one", name)).toArray());
  const half = whole.subarray(0, whole.length / 2);
  await expect(client.upload("half", Readable.from([half]), checksum)).rejects.toThrow("HTTP 400");
  const changed = Buffer.from(whole);
  const at = changed.indexOf('"payload"');
  changed[at + 1] = 0x51;
  await expect(client.upload("changed", Readable.from([changed]), checksum)).rejects.toThrow(
    "HTTP 400",
  );
  await client.upload("good", Readable.from([whole]), checksum);
  expect(await client.collections()).toEqual(["good", "one"]);
  expect(await client.count("good")).toBe(50);
});
