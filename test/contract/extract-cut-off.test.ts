import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useWorkDirectory } from "../../src/core/temp.ts";
import type { Component } from "../../src/model/manifest.ts";
import { dataStore } from "../../src/stores/tree/tree-store.ts";
import { contextsOf, dataStoreAt } from "./stores-a/contexts.ts";
import { cutOffEverywhere } from "./support/cut-off.ts";
import { extract } from "./support/cut-off-subjects.ts";
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
    const clear = join(directory.path, "clear");
    await extract(clear, params);
    const wanted = looksOf(into);
    const work = {
      module: "test/contract/support/cut-off-subjects.ts",
      name: "extract",
      args: [clear, params],
    };
    const empty = () => {
      rmSync(into, { recursive: true, force: true });
      return work;
    };
    await cutOffEverywhere(how, empty, async (outcome) => {
      expect([[], wanted]).toContainEqual(looksOf(into));
      const isThere = looksOf(into).length > 0;
      // As the next run of any command does.
      await useWorkDirectory(clear);
      expect(readdirSync(around)).toEqual(isThere ? ["into"] : []);
      // An empty one goes with what was in it.
      const left = existsSync(clear) ? readdirSync(clear) : [];
      if (outcome === "killed") expect(left).toEqual([]);
      if (!isThere) await extract(clear, params);
      expect(looksOf(into)).toEqual(wanted);
      expect(readdirSync(around)).toEqual(["into"]);
    });
  },
);
