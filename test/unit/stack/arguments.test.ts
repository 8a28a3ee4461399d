import { describe, expect, test } from "vitest";
import { mountArgument } from "../../../src/core/mount.ts";
import { helperArguments } from "../../../src/helper/helper-arguments.ts";
import {
  parseHashes,
  parseModel,
  projectArguments,
  pullArguments,
  stopArguments,
  upArguments,
} from "../../../src/stack/compose.ts";
import { execArguments, runArguments } from "../../../src/stack/docker-arguments.ts";

const plain = {
  project: "sophon",
  directory: "/srv/sophon",
  composeFiles: ["/srv/sophon/compose.yml"],
  envFiles: [],
  profiles: [],
};
const full = {
  ...plain,
  composeFiles: ["/srv/sophon/a.yml", "/srv/b c.yml"],
  envFiles: ["/srv/sophon/one.env", "/srv/sophon/two.env"],
  profiles: ["night", "gpu"],
};
const begin = "compose --ansi never --progress plain --project-directory /srv/sophon";

describe("the arguments of docker compose", () => {
  test("choose the same files, directory, env files, name and profiles every time", () => {
    expect(projectArguments(plain).join(" ")).toBe(`${begin} -f /srv/sophon/compose.yml -p sophon`);
    expect(projectArguments(full, ["/tmp/pins.yml"])).toEqual([
      ...begin.split(" "),
      ...["-f", "/srv/sophon/a.yml", "-f", "/srv/b c.yml", "-f", "/tmp/pins.yml"],
      ...["--env-file", "/srv/sophon/one.env", "--env-file", "/srv/sophon/two.env"],
      ...["-p", "sophon", "--profile", "night", "--profile", "gpu"],
    ]);
  });

  const ups = [
    [{}, "up --no-build --pull never --detach"],
    [{ noStart: true, services: ["a"] }, "up --no-build --pull never --no-start a"],
    [
      { noDependencies: true, forceRecreate: true, services: ["a", "b"] },
      "up --no-build --pull never --detach --no-deps --force-recreate a b",
    ],
    [
      { waitSeconds: 90, noRecreate: true, removeOrphans: true },
      "up --no-build --pull never --detach --no-recreate --remove-orphans --wait --wait-timeout 90",
    ],
  ] as const;
  test.each(ups)("up %o never pulls, builds or says yes", (options, expected) => {
    const args = upArguments(plain, options);
    expect(args.slice(projectArguments(plain).length).join(" ")).toBe(expected);
    expect(args).not.toContain("-y");
  });

  test("stop with a time limit, and pull only what is named", () => {
    const own = projectArguments(plain).length;
    expect(stopArguments(plain, ["db"], 120).slice(own)).toEqual([
      "stop",
      "--timeout",
      "120",
      "db",
    ]);
    expect(pullArguments(plain, ["app"]).slice(own)).toEqual(["pull", "app"]);
  });
});

describe("what Compose prints", () => {
  test("is read with its doubled dollars undone", () => {
    const model = parseModel(
      '{"name":"s","services":{"a":{"environment":{"P":"a$$b$$$$c"},"command":["p$$w"]}}}',
    );
    expect(model.services.a).toEqual({ environment: { P: "a$b$$c" }, command: ["p$w"] });
  });

  test("is read as a hash a service", () => {
    expect([...parseHashes("a 12ab\nb-c  34cd\n")]).toEqual([
      ["a", "12ab"],
      ["b-c", "34cd"],
    ]);
  });
});

describe("the arguments of docker", () => {
  test("hold the names of variables, not their values", () => {
    const options = { env: { PGPASSWORD: "secret" }, user: "postgres", interactive: true };
    expect(execArguments("db", ["pg_dump", "-Fc"], options).join(" ")).toBe(
      "exec --interactive --user postgres --env PGPASSWORD db pg_dump -Fc",
    );
    expect(execArguments("db", ["true"], { interactive: false })).toEqual(["exec", "db", "true"]);
  });

  test("run a throw-away container without network, pulling and log", () => {
    const args = runArguments("sha256:abc", ["pg_restore", "-l"], {
      interactive: false,
      name: "n",
      labels: { l: "1" },
      env: { A: "secret" },
      mounts: [{ source: "/b", target: "/backup", readOnly: true }],
    });
    expect(args.join(" ")).toBe(
      "run --rm --pull never --name n --label l=1 --network none --security-opt label=disable" +
        " --log-driver none --env A --mount type=bind,source=/b,target=/backup,readonly" +
        " --entrypoint pg_restore sha256:abc -l",
    );
  });

  const mounts = [
    [{ source: "/a", target: "/b", readOnly: false }, "type=bind,source=/a,target=/b"],
    [
      { source: "vol", target: "/b", readOnly: true },
      "type=volume,source=vol,target=/b,volume-nocopy,readonly",
    ],
    [
      { source: '/with,comma"quote', target: "/b", readOnly: false },
      'type=bind,"source=/with,comma""quote",target=/b',
    ],
  ] as const;
  test.each(mounts)("mount %o", (mount, expected) => {
    expect(mountArgument(mount)).toBe(expected);
  });
});

describe("the arguments of a helper container", () => {
  const container = { name: "name", image: "image", labels: { operation: "op-1" } };
  const entry = { script: "/k/cli.js", directories: ["/k"] };

  test("mount each path once, writable when anything needs it", () => {
    const place = {
      mounts: [
        { path: "/data", readOnly: true },
        { path: "/data", readOnly: false },
        { path: "/var/lib/docker/volumes/v/_data", readOnly: true, volume: "v" },
      ],
    };
    const args = helperArguments(container, place, entry).join(" ");
    expect(args).toContain("--network none");
    expect(args).toContain("--user 0:0");
    expect(args.match(/--mount \S+/g)).toEqual([
      "--mount type=bind,source=/data,target=/data",
      "--mount type=volume,source=v,target=/var/lib/docker/volumes/v/_data,volume-nocopy,readonly",
      "--mount type=bind,source=/k,target=/k,readonly",
    ]);
    expect(args).toMatch(/--entrypoint node image \/k\/cli\.js __task$/);
  });

  test("join the network of one container, as another user", () => {
    const place = { mounts: [], networkOf: "abc", user: "1654:1654" };
    const args = helperArguments(container, place, entry).join(" ");
    expect(args).toContain("--network container:abc");
    expect(args).toContain("--user 1654:1654");
  });
});
