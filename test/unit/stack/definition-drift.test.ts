import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ComposeModel, ComposeService } from "../../../src/model/stack.ts";
import { differenceText, masking } from "../../../src/operations/live-stack/difference-text.ts";
import { parseModel } from "../../../src/stack/compose.ts";
import type { ContainerFacts } from "../../../src/stack/container-facts.ts";
import { definitionDrift } from "../../../src/stack/definition-drift.ts";

/**
 * One project (`compose.yaml`) as several versions of Compose resolve it and create its containers, with the engine's
 * answers. None of the hashes of one version is that of another.
 */
const fixture = new URL("../../fixtures/definition/stack.json", import.meta.url);
const { image, compose } = JSON.parse(readFileSync(fixture, "utf8")) as {
  image: ContainerFacts["image"];
  compose: Record<string, { model: unknown; containers: ContainerFacts["info"][] }>;
};
const versions = Object.keys(compose);

function stackOf(version: string) {
  const { model, containers = [] } = compose[version] ?? {};
  return { model: parseModel(JSON.stringify(model)), containers };
}

const serviceOf = ({ Config }: ContainerFacts["info"]) =>
  Config.Labels["com.docker.compose.service"] ?? "";

/** Every difference of a stack, as a person reads it. */
function drift(model: ComposeModel, containers: readonly ContainerFacts["info"][]): string[] {
  const joined = Object.fromEntries(containers.map(({ Id, Name }) => [Id, Name.slice(1)]));
  const idsOf = (wanted: string) =>
    containers.filter((one) => serviceOf(one) === wanted).map(({ Id }) => Id);
  return containers.flatMap((info) => {
    const name = serviceOf(info);
    const service = model.services[name];
    if (service === undefined) return [`${name} is gone`];
    const samePlace = (a: string, b: string) => a === b;
    const expected = { service, name, model, idsOf, samePlace };
    const found = definitionDrift(expected, { info, image, joined });
    const mask = masking(model.name, ["hunter2", "hunter3"]);
    return found.map(({ path, wanted, actual }) => differenceText(path, actual, wanted, mask));
  });
}

it("leaves alone the pace of a start that the container's maker did not know", () => {
  const [version = ""] = versions;
  const { model, containers } = stackOf(version);
  const paced = structuredClone(model) as Loose;
  paced.services.a.healthcheck.start_interval = "500ms";
  expect(drift(paced, containers)).toEqual([]);
});

const pairs = versions.flatMap((read) => versions.map((created) => [created, read]));

it.each(pairs)("containers that Compose %s created are as %s reads the files", (created, read) => {
  expect(drift(stackOf(read).model, stackOf(created).containers)).toEqual([]);
});

// biome-ignore lint/suspicious/noExplicitAny: a test changes what it likes
type Loose = any;

/** A change of one service, and the lines that name it with what runs and what the files say. */
type Change = readonly [string, string, (service: Loose, model: Loose) => void, readonly string[]];

const volume = (type: string, source: string | undefined, target: string) => ({
  ...{ type, target },
  ...(source === undefined ? {} : { source }),
});

const changes: readonly Change[] = [
  ["a", "command", (s) => (s.command = ["sh"]), ['command: ["sh","-c","sleep 999"] -> ["sh"]']],
  ["db", "command", (s) => (s.command = ["sh"]), ['command: ["/bin/sh","/run.sh"] -> ["sh"]']],
  [
    "db",
    "entrypoint",
    (s) => (s.entrypoint = ["/init"]),
    ['command: ["/bin/sh","/run.sh"] -> []', 'entrypoint: [] -> ["/init"]'],
  ],
  ["a", "environment", (s) => (s.environment.A = "z"), ['environment.A: "x$y" -> "z"']],
  ["a", "environment", (s) => delete s.environment.E, ['environment.E: "1" -> nothing']],
  ["a", "environment", (s) => (s.environment.N = ""), ['environment.N: nothing -> ""']],
  ["a", "user", (s) => (s.user = "5"), ['user: "0:0" -> "5"']],
  ["a", "working_dir", (s) => delete s.working_dir, ['working_dir: "/tmp" -> "/"']],
  ["a", "hostname", (s) => (s.hostname = "n"), ['hostname: "hh" -> "n"']],
  ["a", "domainname", (s) => delete s.domainname, ['domainname: "dd" -> ""']],
  ["a", "tty", (s) => delete s.tty, ["tty: true -> false"]],
  ["a", "stop_signal", (s) => delete s.stop_signal, ['stop_signal: "SIGINT" -> "SIGTERM"']],
  ["a", "stop_grace_period", (s) => (s.stop_grace_period = "2s"), ["stop_grace_period: 90 -> 2"]],
  ["a", "labels", (s) => (s.labels["x.y"] = "w"), ['labels.x.y: "z" -> "w"']],
  [
    "a",
    "logging",
    (s) => (s.logging.options["max-size"] = "2m"),
    ['logging: {"options":{"max-size":"1m"}} -> {"options":{"max-size":"2m"}}'],
  ],
  ["a", "dns", (s) => delete s.dns, ['dns: ["127.0.0.1"] -> []']],
  [
    "a",
    "cap_add",
    (s) => s.cap_add.push("SYS_TIME"),
    ['cap_add: ["NET_ADMIN"] -> ["NET_ADMIN","SYS_TIME"]'],
  ],
  ["a", "cap_drop", (s) => delete s.cap_drop, ['cap_drop: ["MKNOD"] -> []']],
  [
    "a",
    "extra_hosts",
    (s) => (s.extra_hosts = ["h=9.9.9.9"]),
    ['extra_hosts: ["gw:host-gateway","h:1.2.3.4"] -> ["h:9.9.9.9"]'],
  ],
  ["a", "init", (s) => delete s.init, ["init: true -> false"]],
  ["a", "ipc", (s) => (s.ipc = "host"), ['ipc: "shareable" -> "host"']],
  ["a", "shm_size", (s) => delete s.shm_size, ["shm_size: 134217728 -> 67108864"]],
  ["a", "sysctls", (s) => delete s.sysctls, ['sysctls: {"net.ipv4.ip_forward":"1"} -> {}']],
  [
    "a",
    "ulimits",
    (s) => (s.ulimits.nofile.hard = 300),
    ["ulimits.nofile: [100,200] -> [100,300]"],
  ],
  ["a", "devices", (s) => delete s.devices, ['devices: ["/dev/null:/dev/xnull:rwm"] -> []']],
  [
    "a",
    "security_opt",
    (s) => delete s.security_opt,
    ['security_opt: ["no-new-privileges=true"] -> []'],
  ],
  ["a", "cpus", (s) => (s.cpus = 1), ["cpus: 500000000 -> 1000000000"]],
  ["a", "mem_limit", (s) => (s.mem_limit = "1g"), ["mem_limit: 536870912 -> 1073741824"]],
  ["a", "pids_limit", (s) => delete s.pids_limit, ["pids_limit: 100 -> 0"]],
  ["a", "oom_score_adj", (s) => (s.oom_score_adj = -5), ["oom_score_adj: 10 -> -5"]],
  ["a", "restart", (s) => (s.restart = "always"), ['restart: "on-failure:3" -> "always"']],
  [
    "d",
    "deploy",
    (s) => (s.deploy.restart_policy.max_attempts = 9),
    ['restart: "on-failure:4" -> "on-failure:9"', 'restart: "on-failure:4" -> "on-failure:9"'],
  ],
  [
    "d",
    "deploy",
    (s) => (s.deploy.resources.limits.pids = 60),
    ["pids_limit: 50 -> 60", "pids_limit: 50 -> 60"],
  ],
  [
    "a",
    "healthcheck",
    (s) => (s.healthcheck.interval = "2m"),
    ['healthcheck: {"interval":90000000000} -> {"interval":120000000000}'],
  ],
  ["b", "healthcheck", (s) => delete s.healthcheck, ['healthcheck: {"test":["NONE"]} -> nothing']],
  [
    "a",
    "ports",
    (s) => s.ports.splice(1),
    ['ports: [":->82/tcp",":18081->81/udp",":18090->90/tcp",":18091->91/t… -> []'],
  ],
  [
    "a",
    "networks",
    (s) => delete s.networks.n2,
    ['networks: ["shop_default","shop_n2"] -> ["shop_default"]'],
  ],
  [
    "a",
    "networks",
    (s) => (s.networks.default.aliases = ["b"]),
    ['networks.shop_default.aliases: ["al"] -> ["b"]'],
  ],
  [
    "a",
    "networks",
    (s) => (s.networks.n2.ipv4_address = "172.31.251.9"),
    ['networks.shop_n2.ipv4_address: "172.31.251.5" -> "172.31.251.9"'],
  ],
  ["b", "network_mode", (s) => (s.network_mode = "host"), ['network_mode: "none" -> "host"']],
  [
    "c",
    "network_mode",
    (s) => (s.network_mode = "service:a"),
    ['network_mode: "container:shop-db-1" -> "service:a"'],
  ],
  [
    "c",
    "pid",
    (s) => (s.pid = "container:other"),
    ['pid: "container:shop-db-1" -> "container:other"'],
  ],
  ["b", "privileged", (s) => delete s.privileged, ["privileged: true -> false"]],
  ["b", "read_only", (s) => delete s.read_only, ["read_only: true -> false"]],
  ["b", "pid", (s) => delete s.pid, ['pid: "host" -> ""']],
  [
    "base",
    "container_name",
    (s) => delete s.container_name,
    ['container_name: "shop-own" -> "shop-base-1"'],
  ],
  [
    "d",
    "tmpfs",
    (s) => delete s.tmpfs,
    [
      'volumes./run: {"type":"tmpfs","read_only":false} -> nothing',
      'volumes./run: {"type":"tmpfs","read_only":false} -> nothing',
    ],
  ],
  [
    "a",
    "volumes",
    (s) => (s.volumes[0].source = "/srv/b"),
    ['volumes./d: {"source":"/srv/shop/d"} -> {"source":"/srv/b"}'],
  ],
  [
    "a",
    "volumes",
    (s) => (s.volumes[0].read_only = true),
    ['volumes./d: {"read_only":false} -> {"read_only":true}'],
  ],
  [
    "a",
    "volumes",
    (_s, m) => (m.volumes.vv.name = "other"),
    [
      'volumes./v: {"source":"shop_vv"} -> {"source":"other"}',
      'volumes./nc: {"source":"shop_vv"} -> {"source":"other"}',
    ],
  ],
  [
    "b",
    "volumes",
    (s) => (s.volumes = [volume("volume", "vv", "/v")]),
    ['volumes./v: nothing -> {"type":"volume","read_only":false,"source":"shop_vv"}'],
  ],
  [
    "a",
    "secrets",
    (_s, m) => (m.secrets.s1.file = "/srv/shop/s3"),
    ['volumes./run/secrets/s1: {"source":"/srv/shop/s1"} -> {"source":"/srv/shop/s3"}'],
  ],
];

describe("a change of the files is named, with what runs and what the files say", () => {
  it.each(changes)("%s: %s", (name, _key, change, lines) => {
    const { model, containers } = stackOf("2.26");
    change(model.services[name], model);
    expect(drift(model, containers)).toEqual(lines);
  });

  it("without any secret", () => {
    const { model, containers } = stackOf("2.26");
    const a = model.services.a as ComposeService;
    Object.assign(a.environment as object, { PASS: "hunter2", URL: "amqp://u:hunter3@mq" });
    const lines = drift(model, containers);
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toMatch(/hunter/);
    expect(lines[0]).toMatch(/^environment.PASS: \*\*\*\w{8} -> "\*\*\*\w{8}"$/);
  });
});

it("takes one place under two names for the same", () => {
  const { model, containers } = stackOf("2.26");
  const [info] = containers.filter((one) => serviceOf(one) === "a");
  const service = structuredClone(model.services.a) as ComposeService & {
    volumes: { source: string }[];
  };
  const [first] = service.volumes;
  if (info === undefined || first === undefined) throw new Error("no service");
  first.source = "/link/shop/d";
  const samePlace = (a: string, b: string) => a.replace("/link/", "/srv/") === b;
  const expected = { service, name: "a", model, idsOf: () => [], samePlace };
  expect(definitionDrift(expected, { info, image, joined: {} })).toEqual([]);
});

it("an image that is gone hides only what it would have added", () => {
  const { model, containers } = stackOf("2.26");
  const found = containers.flatMap((info) => {
    const name = serviceOf(info);
    const service = model.services[name];
    if (service === undefined || info.HostConfig.NetworkMode?.startsWith("container:")) return [];
    const expected = { service, name, model, idsOf: () => [], samePlace: Object.is };
    return definitionDrift(expected, { info, image: undefined, joined: {} });
  });
  expect(found).toEqual([]);
});
