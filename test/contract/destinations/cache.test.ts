import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RefusedError } from "../../../src/core/errors.ts";
import { cacheDestination } from "../../../src/destinations/cache.ts";
import { githubCache } from "../../../src/destinations/cache-service.ts";
import { CacheServer } from "../../lab/cache-server.ts";
import { fileConformance } from "./file-conformance.ts";
import { type MadeBackup, madeBackup, shipmentOf, transferContext } from "./remote-subject.ts";

// The client of GitHub against a stand-in for its service, in a workspace as a runner makes it.

const home = process.cwd();
const outside = { ...process.env };

async function inWorkspace(server: CacheServer): Promise<AsyncDisposable & { path: string }> {
  const machine = await mkdtemp(join(tmpdir(), "sophon-keeper-workspace-"));
  const [path, temporary] = [join(machine, "work"), join(machine, "temp")];
  for (const one of [path, temporary]) await mkdir(one);
  Object.assign(process.env, server.environment(path, temporary));
  process.chdir(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      process.chdir(home);
      for (const name of Object.keys(server.environment(path, temporary))) {
        if (outside[name] === undefined) delete process.env[name];
        else process.env[name] = outside[name];
      }
      await rm(machine, { recursive: true, force: true });
    },
  };
}

fileConformance("the cache", async () => {
  const server = await CacheServer.start();
  const workspace = await inWorkspace(server);
  return {
    destination: cacheDestination(githubCache(process.env)),
    damage: async () => {
      const body = server.entries.at(-1)?.body;
      if (body !== undefined) body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
    },
    count: async () => server.entries.filter(({ isFinal }) => isFinal).length,
    clear: async () => void server.entries.splice(0),
    wrong: () => server.wrong,
    [Symbol.asyncDispose]: async () => {
      await workspace[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

describe("the cache of a GitHub repository", () => {
  let server: CacheServer;
  let workspace: Awaited<ReturnType<typeof inWorkspace>>;
  let backup: MadeBackup;
  beforeEach(async () => {
    server = await CacheServer.start();
    workspace = await inWorkspace(server);
    backup = await madeBackup(2);
  });
  afterEach(async () => {
    await backup[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const destination = () => cacheDestination(githubCache(process.env));
  const deliver = async () =>
    await destination().deliver(await shipmentOf(backup), transferContext());
  const fetch = async (project: string | undefined = "stack") => {
    const into = await mkdtemp(join(backup.directory, "into-"));
    const wanted = { name: undefined, project, run: undefined, token: undefined };
    return await destination().fetch(wanted, into, transferContext());
  };

  it("has a key of project, day, sealed manifest and content, and leaves nothing in the workspace", async () => {
    const { name } = await deliver();
    expect(name).toMatch(/^sophon-keeper\/stack\/2026030\d\/[0-9a-f]{64}\/[0-9a-f]{64}$/);
    expect(server.entries.map(({ key, isFinal }) => [key, isFinal])).toEqual([[name, true]]);
    await fetch();
    expect(await readdir(workspace.path)).toEqual([]);
  });

  it("is read by a run of a pull request that the default branch saved, not the other way round", async () => {
    server.tokens.set("token-of-pull", "refs/pull/7/merge");
    await deliver();
    process.env.ACTIONS_RUNTIME_TOKEN = "token-of-pull";
    await fetch();
    await using newer = await madeBackup();
    await destination().deliver(await shipmentOf(newer, "other"), transferContext());
    process.env.ACTIONS_RUNTIME_TOKEN = "token-of-main";
    await expect(fetch("other")).rejects.toThrow(RefusedError);
  });

  it("is of no project whose name only begins alike", async () => {
    await destination().deliver(await shipmentOf(backup, "stack-b"), transferContext());
    await expect(fetch("stack")).rejects.toThrow("the cache has no backup of stack");
    await expect(fetch("stac")).rejects.toThrow(RefusedError);
    expect(await fetch("stack-b")).toMatch(/backup\.tar$/);
  });

  it("tells it when the service does not take it, and never more than that", async () => {
    server.limitBytes = 1000;
    await expect(deliver()).rejects.toMatchObject({ class: "not-saved", exitCode: 3 });
    server.limitBytes = 2 ** 30;
    server.readOnly.add("main");
    await expect(deliver()).rejects.toMatchObject({ class: "not-saved" });
    server.readOnly.clear();
    server.failing = { method: /CreateCacheEntry|blob/, status: 400 };
    await expect(deliver()).rejects.toMatchObject({ class: "not-saved" });
    process.env.ACTIONS_CACHE_MODE = "read";
    server.failing = undefined;
    await expect(deliver()).rejects.toMatchObject({ class: "not-saved" });
    delete process.env.ACTIONS_CACHE_MODE;
    expect(server.entries.filter(({ isFinal }) => isFinal)).toEqual([]);
    expect(await readdir(workspace.path)).toEqual([]);
    await deliver();
  });

  it("follows no link that a checkout has left in the workspace", async () => {
    await deliver();
    const elsewhere = join(workspace.path, "..", "elsewhere");
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, "backup.tar"), "of somebody");
    for (const work of [deliver, fetch]) {
      await symlink(elsewhere, join(workspace.path, ".sophon-keeper-cache"));
      await work();
      expect(await readdir(elsewhere)).toEqual(["backup.tar"]);
      expect(await readdir(workspace.path)).toEqual([]);
    }
  });

  it("is refused outside a step, and without a project", async () => {
    const nowhere = cacheDestination(githubCache({}));
    expect(() => nowhere.refuseUnready()).toThrow("there is no cache service outside a step");
    const wanted = { name: undefined, project: undefined, run: undefined, token: undefined };
    const into = backup.directory;
    await expect(destination().fetch(wanted, into, transferContext())).rejects.toThrow(
      "give project-name",
    );
  });
});
