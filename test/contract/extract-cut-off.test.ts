import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Component } from "../../src/model/manifest.ts";
import { extractComponents } from "../../src/stores/tree/extract.ts";
import { dataStore } from "../../src/stores/tree/tree-store.ts";
import { contextsOf, dataStoreAt, plainTasks } from "./stores-a/contexts.ts";
import { cutOffEverywhere } from "./support/cut-off.ts";
import { looksOf, memoryDirectory } from "./support/looks.ts";

test.each(["kill", "EIO", "ENOSPC"] as const)(
  "a directory that a backup is restored into has all of it or nothing when it is cut off by %s",
  async (how) => {
    using directory = memoryDirectory();
    const [data, around] = [join(directory.path, "data"), join(directory.path, "around")];
    for (const path of [data, around, join(data, "security")]) mkdirSync(path);
    writeFileSync(join(data, "security/vault.key"), Buffer.alloc(32, 7));
    const { backup } = contextsOf(directory.path);
    const store = dataStoreAt(data, { databases: [] });
    const [component] = (await dataStore.backup(store, backup)) as [Component];
    const archive = { file: join(backup.sink.directory, component.file), compressed: true };
    const into = join(around, "into");
    const extractions = [
      { archive, name: "data", isTree: true },
      { archive, name: "data.tar", isTree: false },
    ];
    const params = { into, extractions };
    const place = { mounts: [] };
    await plainTasks.run(extractComponents, params, place);
    const wanted = looksOf(into);
    const work = {
      module: "src/stores/tree/extract.ts",
      name: "extractComponents",
      args: [params],
    };
    const empty = () => {
      rmSync(into, { recursive: true, force: true });
      return work;
    };
    await cutOffEverywhere(how, empty, async () => {
      expect([[], wanted]).toContainEqual(looksOf(into));
      if (looksOf(into).length === 0) {
        await plainTasks.run(extractComponents, params, place);
      }
      expect(looksOf(into)).toEqual(wanted);
      expect(readdirSync(around)).toEqual(["into"]);
    });
  },
);
