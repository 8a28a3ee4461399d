import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentReporter } from "../../src/core/reporter.ts";
import { restoreJournal } from "../../src/operations/restore/journal.ts";
import { undoRestore } from "../../src/operations/restore/undo-restore.ts";
import {
  createJournal,
  listUnfinished,
  readJournal,
} from "../../src/operations/session/journal.ts";
import { recoverUnfinished } from "../../src/operations/session/recovery.ts";
import { upgradeJournal } from "../../src/operations/upgrade/journal.ts";
import { Repository } from "../../src/repository/repository.ts";
import type { Engine } from "../../src/stack/engine.ts";
import { recoveries } from "../../src/wiring/recoveries.ts";

// The texts of the project's files are kept before the journal names their place, and may hold secrets.

let repository: Repository;
beforeEach(async () => {
  repository = new Repository(mkdtempSync(join(tmpdir(), "sophon-keeper-early-")));
  await repository.create();
});
afterEach(() => rmSync(repository.path, { recursive: true }));

/** What recovers the one unfinished operation of the repository, as the next run that takes the lock does. */
function given(): Parameters<typeof recoverUnfinished> {
  const nothing = async () => undefined;
  const context = {
    project: "demo",
    containers: { removeLeftovers: nothing },
    tasks: {},
    host: { engine: async () => ({}) },
    dependencies: {
      ...{ clock: systemClock, reporter: silentReporter },
      signal: new AbortController().signal,
    },
  };
  return [repository, recoveries, context as unknown as Parameters<typeof recoverUnfinished>[2]];
}

test.each([
  ["upgrade", "upgrades", upgradeJournal],
  ["restore", "restores", restoreJournal],
] as const)(
  "a %s that was killed while it looked leaves no text of the project's files",
  async (_, of, spec) => {
    createJournal(repository.operations, "one", spec, { clock: systemClock })[Symbol.dispose]();
    const work = repository.work(of, "one");
    mkdirSync(work, { recursive: true });
    writeFileSync(join(work, "new-0-before"), "SECRET=one\n");
    expect(await recoverUnfinished(...given())).toEqual(["one"]);
    expect(listUnfinished(repository.operations)).toEqual([]);
    expect(existsSync(work)).toBe(false);
  },
);

test("the recovery of a restore that is killed just before its end is done by the next one", async () => {
  const path = join(repository.path, ".env");
  const work = repository.work("restores", "one");
  mkdirSync(work, { recursive: true });
  const edit = { path, existed: true, before: join(work, "before"), after: join(work, "after") };
  writeFileSync(edit.before, "TAG=1\n");
  for (const file of [edit.after, path]) writeFileSync(file, "TAG=2\n");
  const pins = { edits: [edit], composeFiles: [] };
  const journal = createJournal(repository.operations, "one", restoreJournal, {
    clock: systemClock,
  });
  journal.append("restore", "pin", { forward: pins, backward: { ...pins, edits: [] }, work });
  journal[Symbol.dispose]();
  const { entries } = readJournal(repository.operations, "one", restoreJournal);
  const [, , context] = given();
  const { clock, reporter } = context.dependencies;
  const engine = {} as unknown as Engine;
  // All of it but the last line of its journal.
  await undoRestore(entries, { ...context, ...{ clock, reporter, engine, id: "one" } });
  expect(readFileSync(path, "utf8")).toBe("TAG=1\n");
  expect(await recoverUnfinished(...given())).toEqual(["one"]);
  expect(readFileSync(path, "utf8")).toBe("TAG=1\n");
  expect(existsSync(work)).toBe(false);
});
