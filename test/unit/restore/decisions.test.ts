import { realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component, Manifest } from "../../../src/model/manifest.ts";
import type { ComposeModel, ContainerState, Mount } from "../../../src/model/stack.ts";
import type { BackedUpStore } from "../../../src/operations/fill/backed-up-store.ts";
import { refuseOtherBroker } from "../../../src/operations/restore/broker-name.ts";
import { makingsOf } from "../../../src/operations/restore/current-stack.ts";
import { byHand } from "../../../src/operations/restore/manual-commands.ts";
import { refuseOtherStack } from "../../../src/operations/restore/put-stack-files.ts";
import { RestartError, undoFailed } from "../../../src/operations/restore/restore-errors.ts";
import { mountOf, refuseWithoutInner } from "../../../src/operations/restore/store-mounts.ts";

const model: ComposeModel = {
  name: "sophon",
  services: {
    gateway: {
      image: "sophon:1.1.0",
      environment: { TOKEN: "secret" },
      depends_on: { postgres: { condition: "service_healthy" } },
      volumes: [{ type: "bind", source: "/srv/sophon/data", target: "/data" }],
    },
    postgres: {
      image: "postgres:17",
      volumes: [{ type: "volume", source: "pgdata", target: "/var/lib/postgresql/data" }],
    },
  },
  volumes: { pgdata: { name: "sophon_pgdata" } },
};

function mount(target: string, source: string, volume?: string): Mount {
  const base = { target, source, writable: true, anonymous: false, plain: true };
  return volume === undefined ? { type: "bind", ...base } : { type: "volume", volume, ...base };
}

function container(service: string, imageId: string, mounts: readonly Mount[]): ContainerState {
  return { service, imageId, mounts, name: `${service}-1`, id: service } as ContainerState;
}

function store(kind: BackedUpStore["kind"], service: string, source: string): BackedUpStore {
  return { name: kind, kind, service, components: [{ source, details: {} } as Component] };
}

const data = store("data", "gateway", "/srv/sophon/data");
const postgres = store("postgres", "postgres", "sophon");
const services = {
  gateway: { image: "sophon:1.1.0", imageId: "sha256:one" },
  postgres: { image: "postgres:17", imageId: "sha256:pg" },
} as unknown as Manifest["services"];

describe("where a store belongs", () => {
  it("is what its service has at the same path now, whatever that is called here", () => {
    const there = mount("/var/lib/postgresql/data", "/volumes/other_pgdata/_data", "other_pgdata");
    const here = mount("/data", "/srv/other/data");
    const containers = [container("gateway", "", [here]), container("postgres", "", [there])];
    expect(mountOf(postgres, model, containers)).toBe(there);
    expect(mountOf(data, model, containers)).toBe(here);
  });

  it("is told by service and place where its volume has no name", () => {
    const nameless = (name: string) => ({
      ...mount("/data", "/var/lib/docker", name),
      anonymous: true,
    });
    const [other, own] = [nameless("00"), nameless("ff")];
    const containers = [container("gateway", "", [other]), container("cache", "", [own])];
    const services = { ...model.services, cache: { image: "redis:8" } };
    const at = (source: string, kind: string): BackedUpStore => ({
      ...{ name: "cache", kind, service: "cache" },
      components: [{ source, details: { mountTarget: "/data/" } } as unknown as Component],
    });
    const hash = "ab".repeat(32);
    for (const one of [
      at("service cache", "redis"),
      at(`/var/lib/docker/volumes/${hash}/_data`, "volume"),
    ]) {
      expect(mountOf(one, { ...model, services }, containers)).toBe(own);
    }
  });

  it("is that of another container for each replica, the same one if it is still there", () => {
    const hash = (digit: string) => digit.repeat(64);
    const at = (name: string, digit: string): BackedUpStore => ({
      ...{ name, kind: "volume", service: "web" },
      components: [
        {
          source: `/var/lib/docker/volumes/${hash(digit)}/_data`,
          details: { mountTarget: "/data" },
        } as unknown as Component,
      ],
    });
    const stores = [at("volume-web-data", "1"), at("volume-web-data-2", "2")];
    const nameless = (digit: string) => ({
      ...mount("/data", `/volumes/${hash(digit)}/_data`, hash(digit)),
      anonymous: true,
    });
    const placed = (...digits: string[]) => {
      const containers = digits.map((digit) => container("web", "", [nameless(digit)]));
      const services = { ...model.services, web: { image: "web:1" } };
      const place = (one: BackedUpStore) =>
        mountOf(one, { ...model, services }, containers, stores).volume?.[0];
      return stores.map(place);
    };
    expect(placed("2", "1")).toEqual(["1", "2"]);
    expect(placed("8", "9")).toEqual(["8", "9"]);
    expect(placed("8", "1")).toEqual(["1", "8"]);
    expect(() => placed("8")).toThrow(/no container of the stack mounts/);
  });

  it("is a symbolic link to the place that the backup recorded", async () => {
    await using temporary = await temporaryDirectory("sophon-keeper-mounts-");
    const [file, link] = [join(temporary.path, "real"), join(temporary.path, "link")];
    await writeFile(file, "");
    await symlink("real", link);
    const here = mount("/keys", link);
    const linked = store("volume", "gateway", await realpath(file));
    expect(mountOf(linked, model, [container("gateway", "", [here])])).toBe(here);
  });

  it("is refused where nothing has it", () => {
    expect(() => mountOf(data, model, [container("gateway", "", [])])).toThrow(
      /no container of the stack mounts/,
    );
  });
});

describe("a store inside the directory of another one", () => {
  const outer = store("data", "gateway", "/srv/sophon/data");
  const inner = { ...store("volume", "other", "/srv/sophon/data/inner"), name: "volume-inner" };
  const beside = { ...store("volume", "other", "/srv/sophon/data-2"), name: "volume-beside" };
  const copies = () => [outer, inner, beside, postgres].map((one) => ({ ...one }));

  it("is restored with it, or alone, and never set aside without being restored", () => {
    for (const chosen of [copies(), [inner], [beside], [outer, inner]]) {
      expect(() => refuseWithoutInner(chosen, copies(), model)).not.toThrow();
    }
    expect(() => refuseWithoutInner([outer], copies(), model)).toThrow(
      "only: the directory of data contains that of volume-inner",
    );
  });
});

describe("what containers are made", () => {
  const options = { only: [], keepImages: false };
  const all = [data, postgres];
  const one = container("gateway", "sha256:two", []);

  it("are those that are missing, and those of another image", () => {
    const makings = makingsOf({ services }, { model, containers: [one] }, all, options);
    expect(makings).toEqual({ create: ["postgres"], replace: ["gateway"] });
  });

  it("leaves out what no chosen store concerns, and other images that are to stay", () => {
    const only = { ...options, only: ["postgres"] };
    expect(makingsOf({ services }, { model, containers: [one] }, [postgres], only)).toEqual({
      create: ["postgres"],
      replace: [],
    });
    const keep = { ...options, keepImages: true };
    expect(makingsOf({ services }, { model, containers: [one] }, all, keep).replace).toEqual([]);
  });
});

describe("files that are there already", () => {
  const now = (environment: Record<string, string>, image = "sophon:2"): ComposeModel => ({
    ...model,
    services: {
      ...model.services,
      gateway: { ...model.services.gateway, image, environment },
    },
  });
  const here = { moved: undefined, project: "sophon" };

  it("may name other images", () => {
    expect(() => refuseOtherStack(now({ TOKEN: "secret" }), model, here, ["/f"])).not.toThrow();
  });

  it("are refused for anything else, by the name of the member and never its value", () => {
    const refused = () => refuseOtherStack(now({ TOKEN: "changed" }), model, here, ["/srv/f"]);
    expect(refused).toThrow(
      "/srv/f already exists and differs from the backup: gateway.environment.TOKEN",
    );
    expect(refused).not.toThrow(/secret|changed/);
  });

  it("are compared with the backup's as they are in another directory", () => {
    const moved = { from: "/srv/sophon", to: "/srv/other" };
    const there = JSON.parse(JSON.stringify(model).replaceAll("/srv/sophon", "/srv/other"));
    expect(() => refuseOtherStack(there, model, { ...here, moved }, [])).not.toThrow();
    expect(() => refuseOtherStack(model, model, { ...here, moved }, [])).toThrow(/volumes/);
  });
});

describe("what a person is told when putting back fails", () => {
  const stopped = (service: string) => ({
    ...{ id: service, name: `${service}-1`, service, restartPolicy: "always", ran: true },
    ...{ healthy: true, imageId: "", state: "running", imageReference: "", health: "healthy" },
  });
  const starts = [
    "  docker start postgres-1",
    `  timeout 180 sh -c 'until docker inspect --format "{{.State.Health.Status}}" postgres-1 | grep -qx healthy; do sleep 1; done'`,
    "  docker start gateway-1",
    "  docker update --restart=always gateway-1",
    "  docker update --restart=always postgres-1",
  ];
  const replacement = { target: "/srv/data", stamp: "before-1", place: { mounts: [] } };
  const aside = { replacement, path: "/srv/data.sophon-keeper-before-1", inside: false };
  const failed = {
    ...{ project: "sophon", repository: "/srv/backups", cause: new Error("no") },
    ...{ asides: [aside], created: undefined, pinned: undefined },
    stopped: [stopped("gateway"), stopped("postgres"), { ...stopped("spare"), ran: false }],
    dependencies: {
      gateway: [{ service: "postgres", condition: "service_healthy", restart: false }],
    },
  };

  it("names every path, the commands, and the repository that recover needs", () => {
    const told = undoFailed({ ...failed, error: new Error("EIO") });
    expect(told).toMatchObject({ exitCode: 7, result: "rollback-failed" });
    expect(told.facts).toEqual({ setAside: ["/srv/data.sophon-keeper-before-1"] });
    expect(told.evidence?.split("\n").slice(-5)).toEqual(starts);
    expect(told.hint).toContain("recover --project-name sophon --repository /srv/backups");
  });

  it("is another word when all content is back", () => {
    const back = { ...aside, path: undefined };
    const told = undoFailed({ ...failed, asides: [back], error: new RestartError("port taken") });
    expect(told).toMatchObject({ exitCode: 7, result: "restart-failed", facts: { setAside: [] } });
    expect(told.evidence).not.toContain("mv ");
  });

  it("never starts containers of the backup's images on the content of before", () => {
    const containers = ["gateway-1", "worker-1", "worker-2"].map((name) => ({
      ...{ id: name, name, service: name.slice(0, -2) },
    }));
    const project = {
      ...{ project: "sophon", directory: "/srv/a stack", composeFiles: ["/srv/a stack/c.yml"] },
      ...{ envFiles: [], profiles: [] },
    };
    const created = {
      ...{ project, containers, services: ["gateway"], scale: {} },
      ...{ volumes: [], networks: [], directories: [], needs: { gateway: ["redis"] } },
    };
    const edit = { path: "/srv/a stack/.env", existed: true, before: "/w/1", after: "/w/2" };
    const pins = { edits: [edit], composeFiles: project.composeFiles };
    const pinned = { forward: pins, backward: pins, work: "/w" };
    const lines = byHand({ ...failed, created, pinned });
    expect(lines.slice(-8)).toEqual([
      "  cp /w/2 '/srv/a stack/.env'",
      "  docker compose -p sophon --project-directory '/srv/a stack' -f '/srv/a stack/c.yml' up --no-start --pull never --scale gateway=1 --scale worker=2 --scale redis=0 gateway worker",
      "  cp /w/1 '/srv/a stack/.env'",
      ...starts,
    ]);
  });
});

describe("a broker", () => {
  const broker = (name: string, nodeName = "rabbit@old"): BackedUpStore => {
    const component = { name, details: { nodeName } } as unknown as Component;
    return { name: "rabbitmq", kind: "rabbitmq", service: "rabbitmq", components: [component] };
  };
  const modelOf = (more: Record<string, string>): ComposeModel => ({
    ...model,
    services: { rabbitmq: more },
  });
  const running = (hostname: string, environment = {}) => [
    { ...container("rabbitmq", "", []), hostname, environment },
  ];
  const request = {
    ...{ stores: [broker("rabbitmq")], model: modelOf({ hostname: "old" }) },
    ...{ stack: { containers: [] }, makings: { create: ["rabbitmq"], replace: [] } },
  };
  const stays = { create: [], replace: [] };

  it("takes the data of a node of its own name", () => {
    expect(() => refuseOtherBroker(request)).not.toThrow();
    const there = { stack: { containers: running("old") }, makings: stays };
    expect(() => refuseOtherBroker({ ...request, ...there })).not.toThrow();
    const named = running("any", { RABBITMQ_NODENAME: "rabbit@old" });
    const byVariable = { stack: { containers: named }, makings: stays };
    expect(() => refuseOtherBroker({ ...request, ...byVariable })).not.toThrow();
    // A node of short names leaves the domain out, and a name without a host gets this one's.
    const short = { stack: { containers: running("old.example.org") }, makings: stays };
    expect(() => refuseOtherBroker({ ...request, ...short })).not.toThrow();
    const half = running("old", { RABBITMQ_NODENAME: "rabbit" });
    const byHalf = { stack: { containers: half }, makings: stays };
    expect(() => refuseOtherBroker({ ...request, ...byHalf })).not.toThrow();
  });

  it("is refused under another name, and where a new container would get one", () => {
    const other = { stack: { containers: running("other") }, makings: stays };
    expect(() => refuseOtherBroker({ ...request, ...other })).toThrow(
      "the backup is of node rabbit@old, but this node is rabbit@other",
    );
    expect(() => refuseOtherBroker({ ...request, model: modelOf({}) })).toThrow(/random name/);
    const replaced = { ...other, stack: { containers: running("old") } };
    const anew = { ...replaced, makings: { create: [], replace: ["rabbitmq"] } };
    expect(() => refuseOtherBroker({ ...request, ...anew, model: modelOf({}) })).toThrow(
      /random name/,
    );
  });

  it("is refused where the backup has its definitions only", () => {
    const stores = [broker("rabbitmq-definitions")];
    expect(() => refuseOtherBroker({ ...request, stores })).toThrow(/definitions of the broker/);
  });
});
