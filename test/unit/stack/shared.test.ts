import { expect, it } from "vitest";
import type { Stack } from "../../../src/model/stack.ts";
import type { Engine } from "../../../src/stack/engine.ts";
import { findSharedUses } from "../../../src/stack/shared.ts";

const mount = { type: "volume", volume: "sophon_pgdata", source: "/srv/volumes/pgdata" } as const;
const stack = {
  project: "sophon",
  stores: [
    { kind: "data", path: "/srv/sophon/data" },
    { kind: "postgres", mount },
  ],
} as unknown as Pick<Stack, "project" | "stores">;

/** The uses that a container of no project with one mount is told for; a stand-in for the engine's list. */
async function usesBy(
  found: Readonly<Record<string, unknown>>,
  Labels: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const container = { Names: ["/other"], Labels, State: "running", Mounts: [found] };
  const docker = { listContainers: async () => [container] };
  const uses = await findSharedUses({ docker } as unknown as Pick<Engine, "docker">, stack);
  return uses.map(({ container, source }) => `${container} ${source}`);
}

it("tells who mounts the same place, one above, or one below", async () => {
  for (const Source of ["/srv/sophon/data", "/srv/sophon", "/srv/sophon/data/logs"]) {
    expect(await usesBy({ Source, RW: true })).toEqual([`other ${Source}`]);
  }
  expect(await usesBy({ Source: "/srv/sophon/data-2", RW: true })).toEqual([]);
});

it("knows a volume that is not mounted just now by its name, and is not confused by a tmpfs", async () => {
  expect(await usesBy({ Source: "", Name: "sophon_pgdata", RW: true })).toEqual(["other "]);
  expect(await usesBy({ Source: "", Name: "another", RW: true })).toEqual([]);
  expect(await usesBy({ Source: "", RW: true })).toEqual([]);
});

it("ignores a container in which the program itself runs", async () => {
  const found = { Source: "/srv/sophon", RW: true };
  expect(await usesBy(found, { "sophon-keeper.kind": "program" })).toEqual([]);
  expect(await usesBy(found, { "sophon-keeper.kind": "helper-image" })).toEqual([
    "other /srv/sophon",
  ]);
});
