import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { ComposeModel } from "../../../src/model/stack.ts";
import {
  hostAccess,
  judgeHostAccess,
  readOutside,
} from "../../../src/operations/restore/host-access.ts";

const directory = "/opt/app";
/** What one service with these members reaches. */
function reached(service: object, more: object = {}, paths: readonly string[] = []): string[] {
  const model = { name: "app", services: { web: { image: "web", ...service } }, ...more };
  return hostAccess({
    ...{ model: model as unknown as ComposeModel, directory, paths },
    isDirectoryGiven: false,
  });
}
const bind = (source: string) => ({ volumes: [{ type: "bind", source, target: "/x" }] });

describe("what a restored stack reaches on the host", () => {
  it("is nothing for a stack in its own directory", () => {
    const service = {
      ...{
        privileged: false,
        cap_add: [],
        devices: null,
        network_mode: "service:db",
        ipc: "private",
        ...{ oom_score_adj: 0, cpuset: "", "x-note": "of the author", post_start: [] },
        networks: { default: null },
      },
      volumes: [
        { type: "bind", source: "/opt/app/data", target: "/data" },
        { type: "bind", source: "/opt/app/data", target: "/again", read_only: true },
        { type: "bind", source: "/opt/app/database", target: "/database" },
        { type: "volume", source: "db", target: "/db" },
        { type: "tmpfs", target: "/tmp" },
      ],
    };
    const more = {
      volumes: { db: { name: "app_db" }, none: null },
      networks: { default: { name: "app_default", ipam: {} }, back: { driver: "bridge" } },
      secrets: { key: { file: "/opt/app/secrets/key" }, other: { environment: "X" } },
    };
    const paths = ["/opt/app/compose.yaml", "/opt/app/.env"];
    expect(reached(service, more, paths)).toEqual([]);
  });

  it.each<[string, string[]]>([
    ["privileged", reached({ privileged: true })],
    ["a privileged hook", reached({ post_start: [{ command: ["x"], privileged: true }] })],
    ["network", reached({ network_mode: "host" })],
    ["processes", reached({ pid: "host" })],
    ["shared memory", reached({ ipc: "host" })],
    ["host name", reached({ uts: "host" })],
    ["users", reached({ userns_mode: "host" })],
    ["control groups", reached({ cgroup: "host" })],
    ["capabilities", reached({ cap_add: ["SYS_ADMIN"] })],
    ["devices", reached({ devices: [{ source: "/dev/sda", target: "/dev/sda" }] })],
    ["device rules", reached({ device_cgroup_rules: ["a *:* rwm"] })],
    ["graphics", reached({ gpus: [{ count: -1 }] })],
    ["no confinement", reached({ security_opt: ["apparmor=unconfined"] })],
    ["the engine for it", reached({ use_api_socket: true })],
    ["a program of the host", reached({ provider: { type: "evil" } })],
    ["the network of a foreign container", reached({ network_mode: "container:db" })],
    ["the processes of a foreign container", reached({ pid: "container:db" })],
    ["the shared memory of a foreign container", reached({ ipc: "container:db" })],
    ["a key that nobody knows yet", reached({ host_everything: true })],
    ["privileged as a text", reached({ privileged: "true" })],
    ["models", reached({ models: ["llm"] })],
    ["no end by the kernel", reached({ oom_kill_disable: true })],
    ["links to others", reached({ external_links: ["other_db_1:db"] })],
    [
      "graphics, reserved",
      reached({
        deploy: { resources: { reservations: { devices: [{ capabilities: ["gpu"] }] } } },
      }),
    ],
    [
      "a mount that what is in another one could lead elsewhere",
      reached({ volumes: [...bind("/opt/app/d").volumes, ...bind("/opt/app/d/in/side").volumes] }),
    ],
    [
      "a secret that what is in a mount could lead elsewhere",
      reached(bind("/opt/app/d"), { secrets: { s: { file: "/opt/app/d/key" } } }),
    ],
    [
      "a volume that what is in a mount could lead elsewhere",
      reached(bind("/opt/app/d"), { volumes: { v: { driver_opts: { device: "/opt/app/d/v" } } } }),
    ],
    ["a foreign network", reached({}, { networks: { n: { external: true, name: "other_net" } } })],
    ["the host as a network", reached({}, { networks: { n: { external: true, name: "host" } } })],
    ["a network of another driver", reached({}, { networks: { n: { driver: "macvlan" } } })],
    ["a foreign volume", reached({}, { volumes: { v: { external: true, name: "other_db" } } })],
    ["a volume of another driver", reached({}, { volumes: { v: { driver: "sshfs" } } })],
    ["the engine's socket", reached(bind("/var/run/docker.sock"))],
    ["the directory of the engine's socket", reached(bind("/run"))],
    ["the root directory", reached(bind("/"))],
    ["the directory above", reached(bind("/opt"))],
    ["a sibling with the same beginning", reached(bind("/opt/app-other"))],
    ["a way out", reached(bind("/opt/app/../../etc"))],
    ["a secret elsewhere", reached({}, { secrets: { s: { file: "/etc/shadow" } } })],
    ["a config elsewhere", reached({}, { configs: { s: { file: "/etc/passwd" } } })],
    [
      "a volume of the host",
      reached({}, { volumes: { v: { driver_opts: { type: "none", o: "bind", device: "/etc" } } } }),
    ],
    [
      "a volume of the network",
      reached({}, { volumes: { v: { driver_opts: { type: "nfs", device: ":/x" } } } }),
    ],
    ["a file elsewhere", reached({}, {}, ["/etc/cron.d/evil"])],
    ["a file elsewhere by a detour", reached({}, {}, ["/opt/app/../../etc/cron.d/evil"])],
  ])("is told: %s", (_what, lines) => {
    expect(lines).toHaveLength(1);
    const reporter = { info: () => undefined };
    expect(() => judgeHostAccess(lines, true, reporter)).toThrow("reaches beyond the project");
    expect(() => judgeHostAccess(lines, false, reporter)).not.toThrow();
  });

  it.each(["/", "/etc", "/etc/cron.d", "/usr/local/bin", "/root/.ssh", "/home", "/var/spool/cron"])(
    "is told when the backup makes %s its project directory, and not when a person does",
    (place) => {
      const model = { name: "app", services: {} };
      const asked = { model, directory: place, paths: [] };
      expect(hostAccess({ ...asked, isDirectoryGiven: false })).toHaveLength(1);
      expect(hostAccess({ ...asked, isDirectoryGiven: true })).toEqual([]);
    },
  );
});

it("is told what Compose reads of the host for the definition, by whatever link", async () => {
  await using base = await temporaryDirectory("sophon-keeper-reads-");
  const [project, outside] = [join(base.path, "app"), join(base.path, "other.env")];
  mkdirSync(project);
  writeFileSync(outside, "PASSWORD=x");
  writeFileSync(join(project, "own.env"), "");
  symlinkSync(outside, join(project, "link.env"));
  symlinkSync(join(project, "own.env"), join(project, "inner.env"));
  const named = ["own.env", "link.env", "inner.env", "../other.env"].map((name) => ({
    ...{ path: join(project, name), by: "service web: env_file" },
  }));
  expect(readOutside(named, project)).toEqual([
    `service web: env_file reads ${project}/link.env of the host`,
    `service web: env_file reads ${outside} of the host`,
  ]);
});
