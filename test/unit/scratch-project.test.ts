import { describe, expect, it } from "vitest";
import { scratchProject } from "../../src/model/scratch-project.ts";
import type { ComposeModel } from "../../src/model/stack.ts";

const dangerous = {
  image: "vendor/gateway:1",
  container_name: "gateway",
  environment: { TOKEN: "a$b" },
  ports: [{ target: 8081, published: "8081" }],
  restart: "always",
  network_mode: "host",
  pid: "host",
  ipc: "host",
  privileged: true,
  cap_add: ["NET_ADMIN"],
  devices: ["/dev/kvm"],
  security_opt: ["apparmor=unconfined"],
  extra_hosts: ["host.docker.internal=host-gateway"],
  external_links: ["other"],
  links: ["database"],
  volumes_from: ["other"],
  dns: ["8.8.8.8"],
  labels: { "traefik.enable": "true" },
  deploy: { replicas: 3 },
  build: { context: "." },
  depends_on: {
    database: { condition: "service_healthy" },
    gone: { condition: "service_started" },
  },
  healthcheck: { test: ["CMD", "true"] },
  volumes: [
    { type: "bind", source: "/srv/data", target: "/data" },
    { type: "bind", source: "/var/run/docker.sock", target: "/var/run/docker.sock" },
    { type: "bind", source: "/srv/etc/app.json", target: "/app.json", read_only: true },
    { type: "volume", source: "cache", target: "/cache" },
  ],
  secrets: [{ source: "token" }],
};

const model = {
  name: "live",
  services: {
    gateway: dangerous,
    database: {
      image: "postgres:17",
      volumes: [{ type: "volume", source: "pgdata", target: "/var/lib/postgresql/data" }],
    },
    tool: { image: "vendor/tool:1" },
  },
  volumes: {
    pgdata: { name: "live_pgdata", driver_opts: { type: "none", o: "bind", device: "/srv/pg" } },
    cache: { name: "shared-cache", external: true },
  },
  networks: { default: { name: "live_default" }, front: { name: "proxy", external: true } },
  secrets: { token: { file: "/srv/secrets/token" } },
} as unknown as ComposeModel;

const made = scratchProject({
  model,
  project: "live-scratch-1",
  operationId: "operation",
  labels: { owner: "me" },
  images: { gateway: "sha256:aa", database: "sha256:bb" },
  hostnames: { database: "db-host" },
  stores: ["/srv/data", "/var/lib/docker/volumes/live_pgdata/_data"],
  files: { "/srv/etc": "/tmp/copy/etc", "/srv/secrets/token": "/tmp/copy/token" },
});
const gateway = made.model.services.gateway as Record<string, unknown>;

describe("a scratch project", () => {
  it("keeps nothing of a service that reaches outside", () => {
    const absent = Object.keys(dangerous).filter((key) => !(key in gateway));
    expect(new Set(absent)).toEqual(
      new Set([
        ...["build", "cap_add", "container_name", "deploy", "devices", "external_links"],
        ...["extra_hosts", "ipc", "network_mode", "pid", "ports", "privileged"],
        ...["secrets", "volumes_from"],
      ]),
    );
    expect(gateway).toMatchObject({
      image: "sha256:aa",
      pull_policy: "never",
      restart: "no",
      dns: ["127.0.0.1"],
      environment: { TOKEN: "a$b" },
      depends_on: { database: { condition: "service_healthy" } },
      networks: { default: { aliases: ["gateway"] } },
    });
    expect(JSON.stringify(gateway.depends_on)).not.toContain("gone");
    expect(JSON.stringify(gateway.labels)).not.toContain("traefik");
  });

  it("mounts nothing of the live stack: fresh volumes, and read-only copies of files", () => {
    expect(gateway.volumes).toEqual([
      { type: "volume", source: "live-scratch-1_0", target: "/data" },
      { type: "bind", source: "/tmp/copy/etc/app.json", target: "/app.json", read_only: true },
      { type: "volume", source: "live-scratch-1_1", target: "/cache" },
      { type: "bind", source: "/tmp/copy/token", target: "/run/secrets/token", read_only: true },
    ]);
    const text = JSON.stringify(made.model);
    for (const live of [
      "/srv/",
      "live_pgdata",
      "shared-cache",
      "docker.sock",
      'driver_opts":{"type',
    ]) {
      expect(text).not.toContain(live);
    }
    for (const volume of Object.values(made.model.volumes ?? {})) {
      expect(new Set(Object.keys(volume ?? {}))).toEqual(new Set(["labels", "name"]));
    }
    expect(made.omitted.join("\n")).toContain("docker.sock");
  });

  it("shows a service the part of a store that it had mounted, and a file of its own for a single file", () => {
    const volumes = [
      { type: "bind", source: "/srv/media", target: "/media" },
      { type: "bind", source: "/srv/x/../media/tv/", target: "/tv", read_only: true },
      { type: "bind", source: "/srv/media/cache/new", target: "/cache" },
      { type: "bind", source: "/srv/acme.json", target: "/acme.json" },
      { type: "volume", source: "pgdata", target: "/part", volume: { subpath: "a/b" } },
      { type: "bind", source: "/srv/media-2", target: "/other" },
    ];
    const { model: copy, omitted } = scratchProject({
      model: { ...model, services: { app: { image: "a", volumes } } },
      ...{
        project: "s",
        operationId: "o",
        labels: {},
        images: { app: "sha256:aa" },
        hostnames: {},
      },
      stores: ["/srv/media", "/var/lib/docker/volumes/live_pgdata/_data"],
      ...{ files: {}, ownFiles: { "/srv/acme.json": "/tmp/own/acme.json" } },
      holes: ["/srv/media/cache"],
    });
    expect((copy.services.app as { volumes?: unknown }).volumes).toEqual([
      { type: "volume", source: "s_0", target: "/media" },
      { type: "volume", source: "s_0", target: "/tv", read_only: true, volume: { subpath: "tv" } },
      { type: "bind", source: "/tmp/own/acme.json", target: "/acme.json" },
      { type: "volume", source: "s_1", target: "/part", volume: { subpath: "a/b" } },
    ]);
    expect(omitted).toEqual([
      "app: volumes /srv/media/cache/new:/cache (it is not in the backup)",
      "app: volumes /srv/media-2:/other (it is not in the backup)",
    ]);
  });

  it("lets no service gain rights or forge packets, and puts the stack beside it first", () => {
    const services = {
      app: { image: "a", cap_drop: ["CHOWN"], mem_limit: "64m" },
      b: { image: "b" },
    };
    const { model: copy } = scratchProject({
      ...{ model: { ...model, services }, project: "s", operationId: "o", labels: {} },
      ...{ images: { app: "sha256:a", b: "sha256:b" }, hostnames: {}, stores: [], files: {} },
    });
    expect(copy.services.app).toMatchObject({
      ...{ security_opt: ["no-new-privileges:true"], cap_drop: ["CHOWN", "NET_RAW"] },
      ...{ mem_limit: "64m", memswap_limit: "64m", cpu_shares: 64, oom_score_adj: 900 },
    });
    expect(copy.services.b).toMatchObject({ cap_drop: ["NET_RAW"], mem_limit: "4g" });
  });

  it.each([
    ["half of many", 8, {}, 4],
    ["no fewer than two", 3, {}, 2],
    ["all of two", 2, {}, undefined],
    ["its own limit", 8, { cpus: 1.5 }, 1.5],
    ["half, where its own limit is higher", 8, { cpus: 6 }, 4],
    ["its own quota", 8, { cpu_quota: 50_000 }, undefined],
  ])("gives each service processors: %s", (_title, processors, own, cpus) => {
    const { model: copy } = scratchProject({
      ...{ model: { ...model, services: { app: { image: "a", ...own } } }, project: "s" },
      ...{ operationId: "o", labels: {}, images: { app: "sha256:a" }, hostnames: {}, stores: [] },
      ...{ files: {}, processors },
    });
    expect((copy.services.app as { readonly cpus?: number }).cpus).toBe(cpus);
  });

  it("has internal networks only, none with an address on the host", () => {
    for (const network of Object.values(made.model.networks ?? {})) {
      expect(network).toMatchObject({
        internal: true,
        driver_opts: { "com.docker.network.bridge.inhibit_ipv4": "true" },
        labels: { "sophon-keeper.kind": "scratch", "sophon-keeper.project": "live", owner: "me" },
      });
      expect(network).not.toHaveProperty("external");
    }
  });

  it("tells which fresh volume stands for which place, and leaves out what has no image", () => {
    expect(made.volumes).toMatchObject({
      "/srv/data": "live-scratch-1_0",
      "/var/lib/docker/volumes/live_pgdata/_data": "live-scratch-1_2",
    });
    expect(made.model.services).not.toHaveProperty("tool");
    expect(made.model.services.database).toMatchObject({ hostname: "db-host" });
  });
});

/** One service in a clone, and what the clone does without. */
function cloned(service: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const services = { app: service, database: { container_name: "db" }, gone: {} };
  const { model: copy, omitted } = scratchProject({
    model: { name: "live", services, ...more } as unknown as ComposeModel,
    ...{ project: "p", operationId: "o", labels: {}, hostnames: {}, stores: ["/srv/data"] },
    images: { app: "sha256:aa", database: "sha256:bb" },
    files: {},
  });
  const own = omitted.flatMap((line) => (line.startsWith("app: ") ? [line.slice(5)] : []));
  return { app: copy.services.app as Record<string, unknown>, omitted: own };
}

describe("a clone keeps of a key what stays inside, and tells the rest with its reason", () => {
  const host = "it would reach the host";
  const loosens = "it loosens the clone, or needs a profile of the host";
  const cells: readonly (readonly [string, unknown, unknown, readonly string[]])[] = [
    ["cap_drop", ["ALL"], ["ALL", "NET_RAW"], []],
    ["cap_add", ["CHOWN", "CAP_SETUID"], ["CHOWN", "CAP_SETUID"], []],
    ["cap_add", ["NET_ADMIN", "KILL"], ["KILL"], [`cap_add NET_ADMIN (${host})`]],
    ["cap_add", ["ALL"], undefined, [`cap_add ALL (${host})`]],
    ["init", true, true, []],
    ["shm_size", "134217728", "134217728", []],
    ["tmpfs", ["/run:size=1m"], ["/run:size=1m"], []],
    ["sysctls", { "net.core.somaxconn": "9" }, { "net.core.somaxconn": "9" }, []],
    ["sysctls", { "vm.swappiness": "9" }, undefined, ["sysctls vm.swappiness (it is the host's)"]],
    ["security_opt", ["no-new-privileges:true"], ["no-new-privileges:true"], []],
    [
      "security_opt",
      ["seccomp:unconfined"],
      ["no-new-privileges:true"],
      [`security_opt seccomp:unconfined (${loosens})`],
    ],
    ["extra_hosts", ["me=127.0.0.1", "v6=::1"], ["me=127.0.0.1", "v6=::1"], []],
    ["extra_hosts", { me: ["127.0.0.2"] }, ["me=127.0.0.2"], []],
    [
      "extra_hosts",
      ["h=host-gateway"],
      undefined,
      ["extra_hosts h=host-gateway (it would reach the world outside)"],
    ],
    ["links", ["database:sql"], ["database:sql"], []],
    ["links", ["gone"], undefined, ["links gone (the clone has no such service)"]],
    ["volumes_from", ["database:ro"], ["database:ro"], []],
    [
      "volumes_from",
      ["container:x"],
      undefined,
      ["volumes_from container:x (the clone has no such container)"],
    ],
    ["network_mode", "service:database", "service:database", []],
    ["network_mode", "container:db", "service:database", []],
    ["network_mode", "container:live-database-1", "service:database", []],
    [
      "network_mode",
      "container:x",
      undefined,
      ["network_mode container:x (the clone has no such container)"],
    ],
    ["network_mode", "host", undefined, [`network_mode host (${host})`]],
    ["network_mode", "bridge", undefined, []],
    ["network_mode", "none", "none", []],
    ["pid", "host", undefined, [`pid host (${host})`]],
    ["ipc", "shareable", "shareable", []],
    ["ipc", "service:database", "service:database", []],
    ["hostname", "own", "own", []],
    ["privileged", true, undefined, [`privileged (${host})`]],
    ["privileged", false, undefined, []],
    ["devices", ["/dev/kvm:/dev/kvm"], undefined, [`devices /dev/kvm:/dev/kvm (${host})`]],
    ["devices", [{ source: "/dev/kvm" }], undefined, [`devices /dev/kvm (${host})`]],
    ["a_new_key", 1, undefined, ["a_new_key 1 (this version does not know it)"]],
    ["x-note", "1", undefined, []],
    ["labels", { a: "b" }, expect.not.objectContaining({ a: "b" }), []],
  ];
  it.each(cells)("%s: %j", (key, value, left, lost) => {
    const { app, omitted } = cloned({ [key]: value });
    expect(app[key]).toEqual(left);
    expect(omitted).toEqual(lost);
  });

  it("takes the limits of deploy, and a reservation only with a limit", () => {
    const limits = { memory: "1073741824", cpus: "0.5", pids: 9 };
    expect(cloned({ deploy: { replicas: 3, resources: { limits } } }).app).toMatchObject({
      ...{ mem_limit: "1073741824", cpus: 0.5, pids_limit: 9 },
    });
    const { app } = cloned({ mem_reservation: "8g" });
    expect(app).toMatchObject({ mem_limit: "4g", mem_reservation: undefined });
    const devices = { deploy: { resources: { reservations: { devices: [{ count: 1 }] } } } };
    expect(cloned(devices).omitted).toEqual([`deploy devices (${host})`]);
  });

  it("has part of a volume, memory, and no fixed address", () => {
    const data = { type: "bind", source: "/srv/data", target: "/a" };
    const volumes = [
      { ...data, type: "volume", source: "v", volume: { subpath: "sub", nocopy: true } },
      { type: "tmpfs", target: "/t", tmpfs: { size: "1000" } },
      { type: "bind", source: "/srv/other", target: "/o" },
    ];
    const networks = { default: { ipv4_address: "10.0.0.9", aliases: ["a"], priority: 3 } };
    const given = { volumes: { v: { name: "/srv/data" } } };
    const { app, omitted } = cloned({ volumes, networks }, given);
    expect(app.volumes).toEqual([
      { type: "volume", source: "p_0", target: "/a", volume: { subpath: "sub" } },
      { type: "tmpfs", target: "/t", tmpfs: { size: "1000" } },
    ]);
    expect(app.networks).toEqual({ default: { aliases: ["a"] } });
    expect(omitted).toEqual([
      "volumes /srv/other:/o (it is not in the backup)",
      "networks.default.ipv4_address 10.0.0.9 (the clone's networks and addresses are its own)",
    ]);
  });
});

describe("a scratch project of services that share namespaces", () => {
  const services = {
    vpn: { image: "vendor/vpn:1" },
    app: { image: "vendor/app:1", network_mode: "service:vpn", pid: "service:vpn", expose: ["80"] },
    alone: { image: "vendor/app:1", network_mode: "service:gone", ipc: "container:other" },
  };
  const copied = scratchProject({
    model: { name: "live", services } as unknown as ComposeModel,
    ...{ project: "live-scratch-1", operationId: "operation", labels: {}, stores: [], files: {} },
    images: { vpn: "sha256:aa", app: "sha256:bb", alone: "sha256:cc" },
    hostnames: { app: "name" },
  }).model.services;

  it("joins those of the copy only, and then has no network or name of its own", () => {
    expect(copied.app).toMatchObject({ network_mode: "service:vpn", pid: "service:vpn" });
    const own = ["networks", "dns", "hostname", "expose"].filter(
      (key) => (copied.app as Record<string, unknown>)[key] !== undefined,
    );
    expect(own).toEqual([]);
    expect(copied.alone).toMatchObject({ networks: { default: {} }, dns: ["127.0.0.1"] });
    expect(Object.keys(copied.alone as object)).not.toContain("network_mode");
    expect(Object.keys(copied.alone as object)).not.toContain("ipc");
  });
});

describe("the health check of a service in a scratch project", () => {
  const paced = (healthcheck: Record<string, unknown>) =>
    scratchProject({
      model: { name: "live", services: { app: { healthcheck } } } as unknown as ComposeModel,
      ...{ project: "p", operationId: "o", labels: {}, stores: [], files: {}, hostnames: {} },
      images: { app: "sha256:aa" },
    }).model.services.app as Record<string, unknown>;
  const test = ["CMD", "true"];

  it("is asked each second, and gives up after as long as before", () => {
    const given = { test, interval: "30s", timeout: "5s", retries: 4, start_period: "1m30s" };
    expect(paced(given).healthcheck).toEqual({ test, interval: "1s", timeout: "5s", retries: 210 });
    expect(paced({ test }).healthcheck).toEqual({ test, interval: "1s", retries: 90 });
  });

  it("stays as it is where it is quick, or checks more often during its start", () => {
    for (const more of [{ interval: "500ms" }, { interval: "1m", start_interval: "1s" }]) {
      expect(paced({ test, ...more }).healthcheck).toEqual({ test, ...more });
    }
    expect(paced({ disable: true }).healthcheck).toEqual({ disable: true });
  });
});
