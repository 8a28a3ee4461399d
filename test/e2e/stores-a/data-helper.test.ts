import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { silentReporter } from "../../../src/core/reporter.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import { createTaskRunner } from "../../../src/helper/runner.ts";
import { throwAwayRemover } from "../../../src/stack/containers.ts";
import { connect } from "../../../src/stack/engine.ts";
import { dataStore } from "../../../src/stores/tree/tree-store.ts";
import { describeTree } from "../../contract/archive-tree.ts";
import { contextsOf, dataStoreAt } from "../../contract/stores-a/contexts.ts";
import { makeDatabase, startWriter } from "../../contract/stores-a/sqlite-writer.ts";
import { program } from "../../lab/program.ts";

it("a data directory is backed up and restored by a helper container, for a user who may not read it", async () => {
  await using directory = await temporaryDirectory("sk-stores-a-");
  const data = join(directory.path, "data");
  for (const name of ["data", "security"]) mkdirSync(join(data, name), { recursive: true });
  writeFileSync(join(data, "security/vault.key"), "k".repeat(32), { mode: 0o600 });
  makeDatabase(join(data, "data/sophon.db"), "wal");
  for (const path of ["", "data", "data/sophon.db"]) chownSync(join(data, path), 1234, 1234);
  execFileSync("chmod", ["0755", directory.path]);
  const engine = await connect();
  const tasks = createTaskRunner({
    environment: engine.environment,
    operationId: `sk-stores-a-${process.pid}`,
    entry: { script: program, directories: [dirname(program)] },
    reporter: silentReporter,
    remove: throwAwayRemover(engine),
    // Whoever is not root gets a helper container.
    uid: 4321,
  });
  const contexts = contextsOf(directory.path);
  const backup = { ...contexts.backup, tasks };
  const restore = { ...contexts.restore, tasks };
  chownSync(backup.sink.directory, 4321, 4321);
  const store = dataStoreAt(data);
  const components = await (async () => {
    await using writer = await startWriter(join(data, "data/sophon.db"), { uid: 1234 });
    await writer.reached(20);
    const before = writer.acknowledged();
    const made = await dataStore.backup(store, backup);
    expect(made[0]?.counts["table data/sophon.db written"]).toBeGreaterThanOrEqual(before);
    return made;
  })();
  const [file] = readdirSync(backup.sink.directory);
  expect(file).toBe("data.tar.zst");
  expect(statSync(join(backup.sink.directory, file ?? "")).uid).toBe(4321);
  for (const name of readdirSync(join(data, "data"))) {
    expect(statSync(join(data, "data", name)).uid, name).toBe(1234);
  }
  const newer = describeTree(data);
  await dataStore.restore(store, components, restore);
  expect(readdirSync(join(data, "data"))).toEqual(["sophon.db"]);
  expect(await dataStore.measure(store, restore)).toEqual(components[0]?.counts);
  expect(await restore.undo.unwind()).toEqual([]);
  expect(describeTree(data)).toEqual(newer);
});
