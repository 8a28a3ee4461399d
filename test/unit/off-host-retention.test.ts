import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import type { Remote } from "../../src/destinations/remote.ts";
import { marked, provenRemotes, revoked, withRemote } from "../../src/model/marks.ts";
import { retainThere } from "../../src/operations/off-host/retain-there.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { Repository } from "../../src/repository/repository.ts";

const name = "s3://bucket/off/site";
const at = "2026-03-10T00:00:00.000Z";
let repository: Repository;

beforeEach(async () => {
  repository = new Repository(await mkdtemp(join(tmpdir(), "sophon-keeper-there-")));
  await repository.create();
});
afterEach(() => rm(repository.path, { recursive: true }));

const id = (day: number) => `stack-202603${String(day).padStart(2, "0")}T021700Z-000${day}`;

/** What lies at a destination: days, and which of them cannot be removed or are not whole. */
function remoteWith(days: readonly number[], odd: { locked?: number[]; torn?: number[] } = {}) {
  const there = new Set(days.map(id));
  const remote = {
    name,
    list: async () => [...there].map((one) => ({ project: "stack", id: one, bytes: 1 })),
    open: async (_project: string, one: string) => ({
      files: [{ candidates: (odd.torn ?? []).map(id).includes(one) ? [] : [{}] }],
    }),
    remove: async (_project: string, one: string) => {
      if ((odd.locked ?? []).map(id).includes(one)) {
        return { isRemoved: false, why: "locked until 2026-04-01" };
      }
      there.delete(one);
      return { isRemoved: true };
    },
  };
  return {
    remote: remote as unknown as Remote,
    left: () => [...there].toSorted((a, b) => (a < b ? -1 : 1)),
  };
}

async function mark(days: readonly number[], level: "checksum" | "contents" | null = "checksum") {
  for (const day of days) {
    const made = marked(undefined, "0".repeat(64), level ?? "checksum", at, "1.0.0");
    const judged = level === null ? revoked(made, "0".repeat(64), "flipped", at, "1.0.0") : made;
    await repository.mark(id(day), withRemote(judged, name, { proof: "sha256", at }));
  }
}

async function retain(remote: Remote, rules: Readonly<Record<string, string>>) {
  const raw = { ...rules, "upload-to": name };
  const options = parseOptions("prune", raw, { workingDirectory: "/", home: undefined });
  const { signal } = new AbortController();
  const tools = { clock: systemClock, signal, reporter: silentReporter };
  return await retainThere(remote, "stack", repository, options, tools);
}

it("removes there what no rule keeps, and forgets what is nowhere any more", async () => {
  const { remote, left } = remoteWith([1, 2, 3]);
  await mark([1, 2, 3]);
  const done = await retain(remote, { "remote-keep-last": "1" });
  expect(done).toMatchObject({ kept: [id(3)], removed: [id(2), id(1)] });
  expect(left()).toEqual([id(3)]);
  expect(await repository.markedIds()).toEqual([id(3)]);
});

it("a locked one stays and is no failure", async () => {
  const { remote, left } = remoteWith([1, 2, 3], { locked: [1] });
  await mark([1, 2, 3]);
  const done = await retain(remote, { "remote-keep-last": "1" });
  expect(done).toMatchObject({ kept: [id(3), id(1)], removed: [id(2)] });
  expect(left()).toEqual([id(1), id(3)]);
  expect(provenRemotes(await repository.marksOf(id(1)))).toEqual([name]);
});

it("only what is proven there and good here counts: the last such one stays", async () => {
  const { remote, left } = remoteWith([1, 2, 3]);
  await mark([1]);
  await mark([2, 3], null);
  await retain(remote, { "remote-keep-last": "1" });
  expect(left()).toEqual([id(1), id(2), id(3)]);
});

it("one of which nothing is known stays: the repository may be a new one", async () => {
  const { remote, left } = remoteWith([1, 2, 3]);
  await mark([3]);
  await retain(remote, { "remote-keep-last": "1" });
  expect(left()).toEqual([id(1), id(2), id(3)]);
});

it("the newest does not count once files of it are missing", async () => {
  const { remote, left } = remoteWith([1, 2, 3], { torn: [3] });
  await mark([1, 2, 3]);
  await retain(remote, { "remote-keep-last": "1" });
  expect(left()).toEqual([id(2), id(3)]);
});

it("marks of a removed backup outlive it while a copy is proven elsewhere", async () => {
  await mark([1]);
  await repository.forget(id(1));
  expect(await repository.markedIds()).toEqual([id(1)]);
  const pending = marked(undefined, "0".repeat(64), "checksum", at, "1.0.0");
  await repository.mark(id(2), withRemote(pending, name, { proof: null, at }));
  await repository.forget(id(2));
  expect(await repository.markedIds()).toEqual([id(1)]);
});
