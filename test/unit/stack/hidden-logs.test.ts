import { describe, expect, it } from "vitest";
import type { ContainerState, DiscoveredStore, Mount } from "../../../src/model/stack.ts";
import {
  refuseHiddenLogs,
  refuseHiddenLogsOnChange,
} from "../../../src/operations/backup/refuse-hidden-logs.ts";
import type { Engine } from "../../../src/stack/engine.ts";
import { hiddenLogs, loneDatabases } from "../../../src/stack/hidden-logs.ts";

const bind = (source: string, target: string, writable = true): Mount => ({
  ...{ type: "bind", source, target, writable, anonymous: false, plain: true },
});

const file: DiscoveredStore = {
  ...{ kind: "volume", name: "volume-app.db", services: ["app"], databases: ["app.db"] },
  ...{ mount: bind("/project/app.db", "/srv/app.db"), isFile: true },
};

const container = (mounts: readonly Mount[], state = "running") =>
  ({ id: "c1", service: "app", state, mounts }) as unknown as ContainerState;

/** An engine whose containers have files of these sizes. */
function engineWith(files: Readonly<Record<string, number>>): Pick<Engine, "docker"> {
  const infoArchive = async ({ path }: { path: string }) => {
    const size = files[path];
    if (size === undefined) throw Object.assign(new Error("no such file"), { statusCode: 404 });
    const stat = Buffer.from(JSON.stringify({ size })).toString("base64");
    return { headers: { "x-docker-container-path-stat": stat } };
  };
  return { docker: { getContainer: () => ({ infoArchive }) } } as unknown as Pick<Engine, "docker">;
}

describe("a SQLite database that is mounted alone", () => {
  it.each([
    ["as the store itself", file, [bind("/project/app.db", "/srv/app.db")], ["/srv/app.db"]],
    ["with its directory", file, [bind("/project", "/srv")], []],
    [
      "together with its log",
      file,
      [bind("/project/app.db", "/a"), bind("/project/w", "/a-wal")],
      [],
    ],
    ["read-only", file, [bind("/project/app.db", "/srv/app.db", false)], []],
    ["as any other file", { ...file, databases: [] }, [bind("/project/app.db", "/srv/app.db")], []],
    [
      "by one service, out of a directory that is another store",
      { ...file, isFile: false, mount: bind("/project", "/data"), databases: ["x/app.db"] },
      [bind("/project/x/app.db", "/srv/app.db")],
      ["/srv/app.db"],
    ],
  ] as const)("%s", (_, store, mounts, expected) => {
    const found = loneDatabases([store as DiscoveredStore], [container(mounts)]);
    expect(found.map(({ target }) => target)).toEqual(expected);
  });

  it.each([
    ["running", { "/srv/app.db-wal": 0 }, ["/srv/app.db-wal"]],
    ["running", { "/srv/app.db-journal": 512 }, []],
    ["running", {}, []],
    ["exited", { "/srv/app.db-wal": 0 }, []],
    ["exited", { "/srv/app.db-wal": 4152 }, ["/srv/app.db-wal"]],
    ["exited", { "/srv/app.db-journal": 512 }, ["/srv/app.db-journal"]],
  ])("in a %s container with %o beside it", async (state, files, expected) => {
    const databases = loneDatabases([file], [container([file.mount], state)]);
    const found = await hiddenLogs(engineWith(files as Record<string, number>), databases);
    expect(found.map(({ log }) => log)).toEqual(expected);
  });

  const stackIn = (state: string) => ({
    ...{ stores: [file], containers: [container([file.mount], state)], excluded: [] },
    model: { name: "demo", services: {} },
  });
  const engine = engineWith({ "/srv/app.db-wal": 4152 });
  const live = { volumeConsistency: {}, consistency: "live" } as const;
  const refusal = { exitCode: 2, class: "hidden-log" };

  it("is not copied while the service runs, but may be while it is stopped", async () => {
    const stack = stackIn("running");
    await expect(refuseHiddenLogs(stack, live, engine)).rejects.toMatchObject({
      ...refusal,
      message: expect.stringMatching(/service app .*\/project\/app\.db.*\/srv\/app\.db-wal/),
    });
    await refuseHiddenLogs(stack, { ...live, consistency: "stopped" }, engine);
    await refuseHiddenLogs(
      stack,
      { ...live, volumeConsistency: { "volume-app.db": "stop" } },
      engine,
    );
    await refuseHiddenLogs(stack, live, engineWith({}));
  });

  it("is not copied, replaced or recreated while a stopped container has the last changes", async () => {
    const stack = stackIn("exited");
    const stopped = { ...live, consistency: "stopped" } as const;
    await expect(refuseHiddenLogs(stack, stopped, engine)).rejects.toMatchObject(refusal);
    await expect(refuseHiddenLogsOnChange(stack, engine)).rejects.toMatchObject(refusal);
    await refuseHiddenLogsOnChange(stack, engineWith({}));
  });
});
