import { resolve } from "node:path";
import type { ContainerInspectInfo } from "dockerode";
import { expect, it } from "vitest";
import type { CommandName } from "../../../src/options/command-names.ts";
import type { RawInputs } from "../../../src/options/input-files.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { hostPaths } from "../../../src/options/paths-of-host.ts";
import {
  isOfHost,
  ownContainer,
  ownMounts,
  requireHostPaths,
} from "../../../src/stack/own-container.ts";

const own = {
  image: "sha256:1",
  hasHostNamespaces: true,
  mounts: [
    { source: "/srv", target: "/srv" },
    { source: "/other", target: "/srv/moved" },
    { source: "/srv/moved/back", target: "/srv/moved/back" },
    { source: "/data", target: "/backups" },
  ],
};

it.each([
  ["/srv", true],
  ["/srv/sophon/data", true],
  ["/srv/moved/data", false],
  ["/srv/moved/back/data", true],
  ["/srvx", false],
  ["/backups", false],
  ["/var/lib/sophon-keeper", false],
])("the nearest mount decides whether %s is the host's: %s", (path, isSame) => {
  expect(isOfHost(own, path)).toBe(isSame);
});

it("names each path that is not the host's, and the flags", () => {
  const paths = ["/srv", undefined, "/x", "/backups", "/x"].map((path) => ({ path }));
  expect(() => requireHostPaths({ own }, paths)).toThrow(
    expect.objectContaining({
      message: "in this container /x, /backups are not what they are on the host",
      hint: "Start the container with --volume /x:/x --volume /backups:/backups",
    }),
  );
  expect(() => requireHostPaths({}, [{ path: "/x" }])).not.toThrow();
  expect(() => requireHostPaths({ own }, [{ input: "report-path", path: "/" }])).toThrow(
    expect.objectContaining({
      message: "in this container report-path: / is not what it is on the host",
      hint: "Give a path in a directory that is mounted from the host",
    }),
  );
});

it("without an engine only what is mounted at all is the host's", () => {
  const mounts = ownMounts(["/", "/proc", "/srv/backups"]);
  expect(isOfHost(mounts, "/srv/backups/site")).toBe(true);
  expect(isOfHost(mounts, "/srv/found")).toBe(false);
});

it.each<[command: CommandName, raw: RawInputs, expected: Record<string, string>]>([
  ["restore", { target: "./found" }, { target: resolve("found") }],
  ["restore", { target: "live", backup: "latest" }, {}],
  [
    "restore",
    { backup: "/mnt/usb/id", repository: "r" },
    { backup: "/mnt/usb/id", repository: "/w/r" },
  ],
  ["restore", { backup: "s3://bucket/site/p/latest" }, {}],
  ["verify", { "report-path": "/www/page.html" }, { "report-path": "/www" }],
  ["report", {}, { "report-path": process.cwd() }],
  ["backup", { "metrics-path": "/m/a.prom", "sign-key": "/k" }, { "metrics-path": "/m" }],
  ["diff", { against: "../other/id" }, { against: resolve("../other/id") }],
  [
    "upgrade-test",
    { "rollback-directory": "/fast", "health-ca": "/ca.pem", "env-files": "a.env" },
    { "rollback-directory": "/fast", "env-files": "/w/a.env" },
  ],
])("the paths of %s with %j that must be the host's: %j", (command, raw, expected) => {
  const options = parseOptions(command, raw, { workingDirectory: "/w", home: undefined });
  const found = hostPaths(options).map(({ input, path }) => [input, path]);
  expect(Object.fromEntries(found)).toEqual(expected);
});

it("only a container of the program's own image is one in which it runs", () => {
  const info = (Labels: Record<string, string>, NetworkMode = "host") =>
    ({
      Image: "sha256:1",
      Config: { Labels },
      HostConfig: { PidMode: "host", NetworkMode },
      Mounts: [{ Source: "/srv", Destination: "/srv" }],
    }) as unknown as ContainerInspectInfo;
  expect(ownContainer(info({}))).toBeUndefined();
  const label = { "sophon-keeper.kind": "program" };
  expect(ownContainer(info(label))).toEqual({ ...own, mounts: [own.mounts[0]] });
  expect(ownContainer(info(label, "bridge"))?.hasHostNamespaces).toBe(false);
});
