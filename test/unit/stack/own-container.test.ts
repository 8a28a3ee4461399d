import type { ContainerInspectInfo } from "dockerode";
import { expect, it } from "vitest";
import { isOfHost, ownContainer, requireHostPaths } from "../../../src/stack/own-container.ts";

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
  expect(() => requireHostPaths({ own }, ["/srv", undefined, "/x", "/backups", "/x"])).toThrow(
    expect.objectContaining({
      message: "in this container /x, /backups is not what it is on the host",
      hint: "Start the container with --volume /x:/x --volume /backups:/backups",
    }),
  );
  expect(() => requireHostPaths({}, ["/x"])).not.toThrow();
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
