import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import type {
  ComposeModel,
  ContainerState,
  DiscoveredStore,
  Mount,
  RedisStore,
} from "../../src/model/stack.ts";
import { placeStores } from "../../src/stack/places.ts";
import { plainTasks } from "./stores-a/contexts.ts";
import { makeDatabase } from "./stores-a/sqlite-writer.ts";

function bind(source: string, target = "/x"): Mount {
  return { type: "bind", source, target, writable: true, anonymous: false, plain: true };
}

function container(service: string, ...mounts: Mount[]): ContainerState {
  return {
    service,
    id: service,
    mounts,
    state: "running",
    environment: {},
    imageReference: "a/b:1",
  } as unknown as ContainerState;
}

async function storesOf(
  containers: readonly ContainerState[],
  {
    servers = [],
    exclude = [],
  }: { servers?: readonly DiscoveredStore[]; exclude?: readonly string[] } = {},
) {
  const services = Object.fromEntries(containers.map(({ service }) => [service, {}]));
  const model = { name: "p", services } as ComposeModel;
  return await placeStores(containers, model, servers, { exclude }, { tasks: plainTasks });
}

describe("the places of a stack", () => {
  it("that are nested are one store, which names all its services", async () => {
    await using directory = await temporaryDirectory("sk-places-");
    const media = join(directory.path, "media");
    mkdirSync(join(media, "tv"), { recursive: true });
    writeFileSync(join(media, "list.json"), "[]");
    const { stores } = await storesOf([
      container("shows", bind(join(media, "tv"), "/tv")),
      container("films", bind(media, "/films"), bind(media, "/same")),
      container("lists", bind(join(media, "list.json"), "/list.json")),
    ]);
    expect(stores).toMatchObject([
      {
        ...{ kind: "volume", name: "volume-media", databases: [], exclude: [] },
        mount: bind(media, "/films"),
        services: ["films", "shows", "lists"],
      },
    ]);
  });

  it("leave a server's data, and what is excluded, to themselves", async () => {
    await using directory = await temporaryDirectory("sk-places-");
    const data = join(directory.path, "data");
    for (const name of ["cache", "redis"]) mkdirSync(join(data, name), { recursive: true });
    writeFileSync(join(data, "redis/dump.rdb"), "REDIS");
    const mount = bind(join(data, "redis"), "/data");
    const server: RedisStore = {
      ...{
        kind: "redis",
        name: "cache",
        service: "cache",
        containerId: "cache",
        mount,
        port: 6379,
      },
      ...{ password: undefined, appendOnly: false },
    };
    const containers = [
      container("app", bind(data), bind(join(data, "cache"), "/cache")),
      container("cache", mount),
    ];
    const exclude = [join(data, "cache")];
    const { stores, excluded } = await storesOf(containers, { servers: [server], exclude });
    expect(stores).toMatchObject([
      { kind: "redis" },
      { kind: "volume", mount: bind(data), exclude: ["cache", "redis"] },
    ]);
    expect(excluded).toEqual(exclude);
  });

  it("may be single files, and symbolic links, but no sockets", async () => {
    await using directory = await temporaryDirectory("sk-places-");
    const [file, link, real, socket] = ["acme.json", "link", "real", "app.sock"].map((name) =>
      join(directory.path, name),
    ) as [string, string, string, string];
    writeFileSync(file, "{}");
    mkdirSync(real);
    writeFileSync(join(real, "one"), "1");
    symlinkSync(real, link);
    await using server = createServer().listen(socket);
    await new Promise((resolve) => server.once("listening", resolve));
    const { stores, notes } = await storesOf([
      container(
        "proxy",
        bind(file),
        bind(link, "/l"),
        bind(socket, "/s"),
        bind("/etc/localtime", "/etc/localtime"),
      ),
    ]);
    expect(stores).toMatchObject([
      { name: "volume-acme.json", isFile: true },
      { name: "volume-link", mount: { source: link } },
    ]);
    expect(stores[1]).not.toHaveProperty("isFile");
    expect(notes).toEqual([
      "proxy: /etc/localtime is /etc/localtime, which belongs to the host: not copied",
      `${socket} is neither a file nor a directory: not copied`,
    ]);
  });

  it("have the databases that their content shows, whatever the names", async () => {
    await using directory = await temporaryDirectory("sk-places-");
    const data = join(directory.path, "data");
    mkdirSync(join(data, "docs"), { recursive: true });
    for (const name of ["docs/team.grist", "plain", "db.data"])
      makeDatabase(join(data, name), "wal");
    writeFileSync(join(data, "empty.db"), "");
    writeFileSync(join(data, "notes.sqlite"), "bought milk\n".repeat(100));
    writeFileSync(
      join(data, "begins.db"),
      `SQLite format 3\0${"no database, only a look-alike".repeat(400)}`,
    );
    writeFileSync(join(data, "short.db"), "SQLite format 3\0");
    writeFileSync(join(data, "cut.db"), readFileSync(join(data, "plain")));
    truncateSync(join(data, "cut.db"), 1000);
    symlinkSync("plain", join(data, "link.db"));
    const { stores } = await storesOf([container("app", bind(data))]);
    const databases = ["db.data", "docs/team.grist", "plain"];
    const alike = ["begins.db", "cut.db", "short.db"];
    expect(stores).toMatchObject([{ databases, optional: databases, alike }]);
    const single = await storesOf([container("app", bind(join(data, "db.data")))]);
    const settings = { NAME: "plain", URL: "sqlite:///x/begins.db?mode=rwc", NO: "db.database" };
    const named = await storesOf([{ ...container("app", bind(data)), environment: settings }]);
    expect(named.stores).toMatchObject([
      {
        databases: [...databases, "begins.db"],
        optional: ["db.data", "docs/team.grist"],
        alike: ["cut.db", "short.db"],
      },
    ]);
    expect(single.stores).toMatchObject([{ isFile: true, databases: ["db.data"] }]);
  });
});
