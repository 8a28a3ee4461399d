import { describe, expect, it } from "vitest";
import { lostPlaces } from "../../../src/operations/live-stack/lost-places.ts";
import { needsFirst } from "../../../src/operations/live-stack/recreate.ts";
import { hasVolumes } from "../../../src/stack/carried-volumes.ts";
import { injectedPaths, likeContainer } from "../../../src/stack/like-container.ts";

const id = "0123456789abcdef".repeat(4);
const fresh = { Type: "volume", Name: "fresh", Source: "/v/fresh", Destination: "/data", RW: true };
const inspected = (
  config: Record<string, unknown> = {},
  host: Record<string, unknown> = {},
  networks: Record<string, unknown> = {},
) =>
  ({
    ...{ Id: id, Name: "/shop-app-1", Mounts: [fresh] },
    Config: {
      Hostname: id.slice(0, 12),
      Image: "app:1",
      Entrypoint: null,
      Cmd: ["run"],
      ...config,
    },
    HostConfig: { NetworkMode: "shop_default", Mounts: null, ...host },
    NetworkSettings: { Networks: networks },
  }) as unknown as Parameters<typeof likeContainer>[0];
const carried = [{ volume: "old", target: "/data" }];

describe("a container like another one with other volumes", () => {
  it("has the carried volume where the image declares one, and where the files do", () => {
    const declared = likeContainer(inspected(), carried).HostConfig;
    const added = { Type: "volume", Source: "old", Target: "/data", ReadOnly: false };
    expect(declared?.Mounts).toEqual([added]);
    const given = { Type: "volume", Target: "/data/", VolumeOptions: { NoCopy: true } };
    const other = { Type: "bind", Source: "/x", Target: "/y" };
    const filed = likeContainer(inspected({}, { Mounts: [other, given] }), carried).HostConfig;
    expect(filed?.Mounts).toEqual([other, { ...given, Source: "old" }]);
  });

  it("has no name of its own from the engine, and no entry point from the image", () => {
    const made = likeContainer(inspected(), carried);
    expect(made).not.toHaveProperty("Hostname");
    expect(made.Entrypoint).toEqual([""]);
    const named = likeContainer(inspected({ Hostname: "db", Entrypoint: ["/x"] }), carried);
    expect(named).toMatchObject({ Hostname: "db", Entrypoint: ["/x"] });
  });

  it("has neither host name nor ports in another one's network", () => {
    const joined = { NetworkMode: `container:${id}` };
    const made = likeContainer(
      inspected({ Hostname: "db", ExposedPorts: { "80/tcp": {} } }, joined),
      carried,
    );
    expect(made).not.toHaveProperty("Hostname");
    expect(made).not.toHaveProperty("ExposedPorts");
    expect(made).not.toHaveProperty("NetworkingConfig");
  });

  it("joins the first network at once, and the others afterwards, with what was asked for", () => {
    const asked = { IPAMConfig: { IPv4Address: "10.0.0.9" }, Links: null, DriverOpts: null };
    const networks = {
      back: { ...asked, Aliases: ["app"], MacAddress: "", IPAddress: "" },
      shop_default: {
        ...asked,
        Aliases: ["app", id.slice(0, 12)],
        MacAddress: "02:42:0a:00:00:09",
      },
    };
    const made = likeContainer(inspected({}, {}, networks), carried);
    expect(made.NetworkingConfig).toEqual({
      EndpointsConfig: {
        shop_default: { ...asked, Aliases: ["app"], MacAddress: "02:42:0a:00:00:09" },
      },
    });
    expect(made.networks).toEqual([["back", { ...asked, Aliases: ["app"] }]]);
    const host = likeContainer(inspected({}, { NetworkMode: "host" }, { host: {} }), carried);
    expect(host).not.toHaveProperty("NetworkingConfig");
    expect(host.networks).toEqual([]);
  });
});

it("finds the files that Compose has put in, and no places of mounts", () => {
  const changes = [
    { Path: "/run", Kind: 1 },
    { Path: "/run/secrets", Kind: 1 },
    { Path: "/run/secrets/key", Kind: 1 },
    { Path: "/data", Kind: 1 },
    { Path: "/etc", Kind: 0 },
    { Path: "/etc/app.conf", Kind: 0 },
    { Path: "/etc/gone", Kind: 2 },
  ];
  expect(injectedPaths(changes, ["/data"])).toEqual(["/run", "/etc/app.conf"]);
  expect(injectedPaths(changes, ["/data", "/run/secrets/other"])).toEqual([
    "/run/secrets/key",
    "/etc/app.conf",
  ]);
});

it("creates what others refer to first", () => {
  const needs = { app: ["db", "cache"], db: ["init"], side: ["app"], init: [] };
  expect(needsFirst(["side", "app", "db"], needs)).toEqual(["db", "app", "side"]);
  expect(needsFirst(["a", "b"], { a: ["b"], b: ["a"] })).toEqual(["b", "a"]);
});

it("knows a container that did not get its volumes yet", () => {
  const mounts = [{ target: "/data", volume: "old" }, { target: "/x" }];
  expect(hasVolumes({ mounts }, [{ volume: "old", target: "/data/" }])).toBe(true);
  expect(hasVolumes({ mounts }, [{ volume: "older", target: "/data" }])).toBe(false);
  expect(hasVolumes({ mounts }, [])).toBe(true);
});

describe("places that a new image would lose", () => {
  const mount = (target: string) => ({ anonymous: true, volume: "v", target });
  const stack = (service: object) =>
    ({
      model: { services: { app: service } },
      containers: [
        { service: "app", mounts: [mount("/data"), mount("/files"), { target: "/bind" }] },
        { service: "other", mounts: [mount("/elsewhere")] },
      ],
    }) as unknown as Parameters<typeof lostPlaces>[0];

  it.each([
    ["neither image nor files have them", {}, [], ["/data", "/files"]],
    [
      "the image declares one, the files another",
      { volumes: [{ target: "/files/" }] },
      ["/data/"],
      [],
    ],
    ["they are another service's", { volumes_from: ["db"] }, [], []],
  ])("%s", (_, service, declared, lost) => {
    expect(lostPlaces(stack(service), "app", declared)).toEqual(lost);
  });
});
