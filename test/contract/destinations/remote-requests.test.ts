import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { S3Proxy } from "../../lab/s3-proxy.ts";
import { S3Server } from "../../lab/s3-server.ts";
import { madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";
import { s3Remote, testCredentials } from "./s3-subject.ts";

// What a bucket is asked: providers charge for it. docs/off-host.md has the same formula.

const address = { bucket: "bucket", prefix: "p" };

/** Of one class of price: what writes or lists, what reads, and what removes, which costs nothing. */
function counted(requests: readonly string[]) {
  const isList = (one: string) => /^GET .*\?(.*&)?(uploads|list-type|versions)\b/.test(one);
  const writes = requests.filter((one) => /^(PUT|POST) /.test(one) || isList(one));
  const reads = requests.filter((one) => /^(GET|HEAD) /.test(one) && !isList(one));
  const removals = requests.filter((one) => one.startsWith("DELETE "));
  expect(writes.length + reads.length + removals.length).toBe(requests.length);
  return { writes: writes.length, reads: reads.length, removals: removals.length };
}

it("is asked as often as the page of costs says", async () => {
  Object.assign(process.env, testCredentials, { AWS_EC2_METADATA_DISABLED: "true" });
  await using server = await S3Server.start();
  const remote = s3Remote({ endpoint: server.endpoint, address, partBytes: 2 ** 20 });
  await using first = await madeBackup();
  await remote.deliver(await shipmentOf(first), transferContext());
  for (const mebibytes of [4, 12]) {
    server.requests.length = 0;
    await using backup = await madeBackup(mebibytes);
    await remote.deliver(await shipmentOf(backup), transferContext());
    const [files, large, parts] = [backup.files.size, 1, mebibytes + 1];
    expect(counted(server.requests)).toEqual({
      writes: files + 2 * large + parts + 2,
      reads: 2 * files + 4,
      removals: 0,
    });
    server.requests.length = 0;
    const found = await remote.open("stack", backup.id, transferContext());
    for (const file of found.files) {
      await remote.fetch(file, join(backup.directory, `fetched-${file.name}`), transferContext());
    }
    expect(counted(server.requests)).toEqual({ writes: 1, reads: files + 2, removals: 0 });
    server.requests.length = 0;
    await remote.remove("stack", backup.id, transferContext());
    expect(counted(server.requests)).toEqual({
      writes: files + 3,
      reads: files + 2,
      removals: files + 2,
    });
  }
});

it("is asked for its promises once a day, for each place and for each server", async () => {
  Object.assign(process.env, testCredentials, { AWS_EC2_METADATA_DISABLED: "true" });
  await using server = await S3Server.start();
  await using another = await S3Server.start();
  const memory = await mkdtemp(join(tmpdir(), "sophon-keeper-memory-"));
  let day = 1;
  const context = () => {
    const { clock, ...tools } = transferContext();
    return { ...tools, clock: { ...clock, now: () => new Date(Date.UTC(2026, 2, day, 2, 17)) } };
  };
  const probes = async (endpoint = server.endpoint, prefix = "p") => {
    await using backup = await madeBackup();
    const before = server.requests.length + another.requests.length;
    const remote = s3Remote({ endpoint, memory, address: { bucket: "bucket", prefix } });
    await remote.deliver(await shipmentOf(backup), context());
    const all = [...server.requests, ...another.requests];
    const asked = all.filter((one) => one.includes(".probe/")).length;
    server.requests.length = 0;
    another.requests.length = 0;
    expect(before).toBe(0);
    return asked;
  };
  try {
    expect(await probes()).toBe(5);
    expect(await probes()).toBe(0);
    expect(await probes(server.endpoint, "elsewhere")).toBe(5);
    expect(await probes(another.endpoint)).toBe(5);
    expect(await probes()).toBe(0);
    day = 2;
    expect(await probes()).toBe(5);
  } finally {
    await rm(memory, { recursive: true, force: true });
  }
});

it("is asked to remove the list of a backup first: if that stays, everything stays", async () => {
  Object.assign(process.env, testCredentials, { AWS_EC2_METADATA_DISABLED: "true" });
  await using server = await S3Server.start();
  await using proxy = await S3Proxy.before(server.endpoint);
  const remote = s3Remote({ endpoint: proxy.endpoint, address });
  await using backup = await madeBackup();
  await remote.deliver(await shipmentOf(backup), transferContext());
  const keys = () => [...server.objects.keys()].filter((key) => key.includes(backup.id));
  const all = keys();
  const denied = (name: RegExp) => {
    proxy.requests.length = 0;
    proxy.fault = (method, path) => (method === "DELETE" && name.test(path) ? "403" : undefined);
  };
  denied(/SHA256SUMS(\?|$)/);
  const kept = await remote.remove("stack", backup.id, transferContext());
  expect(kept).toMatchObject({ isRemoved: false });
  expect(proxy.requests.filter((one) => one.startsWith("DELETE"))).toHaveLength(1);
  expect(keys()).toEqual(all);
  expect(await remote.list("stack", transferContext())).toHaveLength(1);
  // Another file that stays takes space, and is no backup any more.
  denied(/data\.tar/);
  const gone = await remote.remove("stack", backup.id, transferContext());
  expect(gone).toEqual({ isRemoved: true });
  const [first] = proxy.requests.filter((one) => one.startsWith("DELETE"));
  expect(first).toMatch(/\/SHA256SUMS(\?|$)/);
  expect(keys()).toEqual(all.filter((key) => key.includes("data.tar")));
  expect(await remote.list("stack", transferContext())).toEqual([]);
});
