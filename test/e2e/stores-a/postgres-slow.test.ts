// @module-tag exhaustive

import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component, Manifest } from "../../../src/model/manifest.ts";
import { postgresStore } from "../../../src/stores/postgres/postgres.ts";
import { contextsOf } from "../../contract/stores-a/contexts.ts";
import { storeImages } from "../../lab/images.ts";
import { until } from "../../lab/step.ts";
import { startServer } from "./postgres-server.ts";

it("pg_restore that has all it needs, and ends before the end of the dump is told to it, has restored it", async () => {
  await using directory = await temporaryDirectory("sk-postgres-");
  await using server = await startServer(storeImages.postgres17);
  server.psql("sophon", "create table kept as select i from generate_series(1, 1000) i");
  const manifest = { services: { postgres: { imageId: server.imageId } } } as unknown as Manifest;
  const { backup, restore } = contextsOf(directory.path, {
    ...{ containers: server.containers, manifest },
  });
  const components = await postgresStore.backup(server.store, backup);
  await using fresh = await startServer(storeImages.postgres17);
  const count = "for p in /proc/[0-9]*; do read -r c < $p/comm; echo $c; done 2>/dev/null";
  const hasEnded = async () => !/^pg_restore$/m.test(await fresh.shell(`${count}; true`));
  /** As a busy machine gives it: the bytes, and that these were all only a while later. */
  async function* slow(component: Component) {
    yield* await restore.open(component);
    if (component.details.role !== "database") return;
    await until("the end of pg_restore", 60_000, hasEnded);
  }
  const { containers } = fresh;
  const open = async (component: Component) => Readable.from(slow(component));
  await postgresStore.restore(fresh.store, components, { ...restore, containers, open });
  expect(fresh.psql("sophon", "select sum(i) from kept")).toBe("500500");
});
