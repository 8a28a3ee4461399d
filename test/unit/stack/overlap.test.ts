import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { isHostPath } from "../../../src/stack/host-paths.ts";
import { outermost } from "../../../src/stack/overlap.ts";

const at = (source: string, services: readonly string[], volume?: string) => ({
  mount: { source, ...(volume === undefined ? {} : { volume }) },
  services,
});

describe("overlapping places", () => {
  it("are one, the outermost, with the services of all", () => {
    const found = outermost([
      at("/srv/media/tv/new", ["c"]),
      at("/srv/media/tv", ["b"]),
      at("/srv/media", ["a"]),
      at("/srv/media/file.json", ["a", "d"]),
      at("/srv/media-other", ["e"]),
    ]);
    expect(found).toEqual([at("/srv/media", ["a", "b", "c", "d"]), at("/srv/media-other", ["e"])]);
  });

  it("are the volume, of a volume that is also mounted by its path", () => {
    const path = "/var/lib/docker/volumes/stack_data/_data";
    const found = outermost([
      at(path, ["a"]),
      at(`${path}/sub`, ["b"]),
      at(path, ["c"], "stack_data"),
    ]);
    expect(found).toEqual([at(path, ["c", "a", "b"], "stack_data")]);
  });

  it("are one behind a symbolic link, too", async () => {
    await using temporary = await temporaryDirectory("sophon-keeper-overlap-");
    const path = (name: string) => join(temporary.path, name);
    await mkdir(path("media/tv"), { recursive: true });
    await writeFile(path("media/keys.json"), "{}");
    await symlink("media", path("link"));
    await symlink("media/keys.json", path("keys"));
    const found = outermost([
      at(path("media"), ["a"]),
      at(path("link"), ["b"]),
      at(path("link/tv"), ["c"]),
      at(path("keys"), ["d"]),
    ]);
    expect(found).toEqual([at(path("media"), ["a", "b", "c", "d"])]);
    const files = outermost([at(path("keys"), ["a"]), at(path("media/keys.json"), ["b"])]);
    expect(files).toEqual([at(path("keys"), ["a", "b"])]);
  });

  it("are two, of two volumes without a path on the host", () => {
    const volumes = [at("", ["a"], "one"), at("", ["b"], "two"), at("/srv", ["c"])];
    expect(outermost(volumes)).toEqual(volumes);
  });
});

describe("a path of the host", () => {
  it.each([
    ...["/", "/etc", "/etc/localtime", "/etc/timezone", "/etc/hostname", "/etc/hosts"],
    ...["/etc/resolv.conf", "/etc/ssl", "/etc/ssl/certs/ca.pem", "/var/run/docker.sock"],
    ...["/run/user/1000/docker.sock", "/dev", "/dev/dri", "/proc", "/sys/class", "/lib/modules"],
    ...["/var/lib/docker", "/var/lib/docker/volumes", "/etc/machine-id", "/usr/share/zoneinfo/UTC"],
    "/etc/localtime/",
  ])("%s is never a store", (path) => {
    expect(isHostPath(path)).toBe(true);
  });

  it.each([
    ...[
      "/srv/data",
      "/etc/letsencrypt",
      "/etc/traefik/acme.json",
      "/home",
      "/root/app",
      "/var/www",
    ],
    ...["/run/media/me/disk", "/development", "/procfile", "/var/lib/docker/volumes/x/_data"],
    ...["/opt/etc/hosts", "/var/log/app", "/var/lib/app"],
  ])("%s may be one", (path) => {
    expect(isHostPath(path)).toBe(false);
  });
});
