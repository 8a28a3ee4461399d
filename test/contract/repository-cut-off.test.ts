import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import {
  createJournal,
  listUnfinished,
  readJournal,
  reopenJournal,
} from "../../src/operations/session/journal.ts";
import { Repository } from "../../src/repository/repository.ts";
import { cells } from "../lab/matrix.ts";
import { testSpec } from "./journal-spec.ts";
import { cutOffEverywhere } from "./support/cut-off.ts";
import { backupId, marksOf, writeBackup } from "./support/cut-off-subjects.ts";
import { memoryDirectory, namesWith } from "./support/looks.ts";

const module = "test/contract/support/cut-off-subjects.ts";
const ways = ["kill", "EIO", "ENOSPC"] as const;
const isKill = (how: string) => how === "kill";

/** What the next run that takes the lock does first. */
async function cleared(repository: Repository): Promise<void> {
  for (const id of await repository.partials()) await repository.discard(id);
}

/** A repository of its own for each cut. */
function repositories(root: string) {
  let count = 0;
  return () => {
    count += 1;
    return new Repository(join(root, `repository-${count}`));
  };
}

cells(
  test,
  ways,
  isKill,
)("a backup cut off by %s is listed whole or not at all, and leaves nothing", async (how) => {
  using directory = memoryDirectory();
  const next = repositories(directory.path);
  let repository = next();
  const fresh = () => {
    repository = next();
    return { module, name: "publish", args: [repository.path] };
  };
  await cutOffEverywhere(how, fresh, async (outcome) => {
    const listed = await repository.list();
    expect(listed.map(({ problem }) => problem).filter((one) => one !== undefined)).toEqual([]);
    if (outcome === "whole") expect(listed).toHaveLength(1);
    await repository.create();
    await cleared(repository);
    expect(namesWith(".partial", repository.path)).toEqual([]);
    expect(await repository.list()).toEqual(listed);
    if (listed.length === 0) await writeBackup(repository);
    expect(await repository.list()).toMatchObject([{ id: backupId, problem: undefined }]);
  });
});

cells(
  test,
  ways,
  isKill,
)(
  "a backup whose removal is cut off by %s is there whole or does not count, and then it is gone",
  async (how) => {
    using directory = memoryDirectory();
    const next = repositories(directory.path);
    let repository = next();
    const whole = async () => {
      repository = next();
      await repository.create();
      await writeBackup(repository);
      await repository.mark(backupId, await marksOf(repository));
      return { module, name: "remove", args: [repository.path] };
    };
    await cutOffEverywhere(how, whole, async () => {
      const listed = await repository.list();
      for (const { problem, marks } of listed)
        expect([problem, marks?.level]).toEqual([undefined, "checksum"]);
      await cleared(repository);
      for (const { id } of await repository.list()) await repository.remove(id);
      expect(readdirSync(join(repository.path, "backups"))).toEqual([]);
      expect(readdirSync(join(repository.path, "marks"))).toEqual([]);
    });
  },
);

cells(
  test,
  ways,
  isKill,
)("marks cut off by %s are those of before or the new ones", async (how) => {
  using directory = memoryDirectory();
  const repository = new Repository(directory.path);
  await repository.create();
  await writeBackup(repository);
  const before = { ...(await marksOf(repository)), toolVersion: "before" };
  const work = { module, name: "mark", args: [repository.path] };
  const fresh = async () => {
    await repository.mark(backupId, before);
    return work;
  };
  await cutOffEverywhere(how, fresh, async () => {
    const [backup] = await repository.list();
    expect(backup?.marks?.level).toBe("checksum");
  });
  expect(readdirSync(join(directory.path, "marks"))).toEqual([`${backupId}.json`]);
});

cells(
  test,
  ways,
  isKill,
)(
  "a journal whose making is cut off by %s begins no operation, or one that can be ended",
  async (how) => {
    using directory = memoryDirectory();
    let count = 0;
    let operations = "";
    const fresh = () => {
      count += 1;
      operations = join(directory.path, `operations-${count}`);
      return { module, name: "openJournal", args: [operations] };
    };
    await cutOffEverywhere(how, fresh, (outcome) => {
      mkdirSync(operations, { recursive: true });
      const unfinished = listUnfinished(operations);
      if (outcome === "failed") expect(readdirSync(operations)).toEqual([]);
      for (const { id } of unfinished) {
        reopenJournal(operations, id, testSpec, { clock: systemClock }).close("undone");
      }
      createJournal(operations, "next", testSpec, { clock: systemClock }).close("done");
      const names = unfinished.length === 0 ? ["next.jsonl"] : ["next.jsonl", "one.jsonl"];
      expect(new Set(readdirSync(operations))).toEqual(new Set(names));
    });
  },
);

cells(
  test,
  ways,
  isKill,
)("a journal cut off by %s tells every step that was begun, in order, and goes on", async (how) => {
  using directory = memoryDirectory();
  let count = 0;
  let operations = "";
  const fresh = () => {
    count += 1;
    operations = join(directory.path, `operations-${count}`);
    createJournal(operations, "one", testSpec, { clock: systemClock })[Symbol.dispose]();
    return { module, name: "writeJournal", args: [operations] };
  };
  await cutOffEverywhere(how, fresh, () => {
    const begun = namesWith("begun-", operations).length;
    const { entries, outcome } = readJournal(operations, "one", testSpec);
    const told = entries.map(({ data }) => (data as { container: string }).container);
    expect(told.length).toBeGreaterThanOrEqual(begun);
    expect(told).toEqual(told.map((_, at) => `c${at}`));
    if (outcome === undefined) {
      reopenJournal(operations, "one", testSpec, { clock: systemClock }).close("undone");
    }
    expect(readJournal(operations, "one", testSpec).entries).toHaveLength(told.length);
    createJournal(operations, "next", testSpec, { clock: systemClock }).close("done");
    expect(namesWith("ballast", operations)).toEqual([]);
  });
});

test.each(["EIO", "ENOSPC"] as const)(
  "a journal that says how it ended has ended, whatever %s forbids to tidy up",
  async (how) => {
    using directory = memoryDirectory();
    let count = 0;
    let operations = "";
    const fresh = () => {
      count += 1;
      operations = join(directory.path, `operations-${count}`);
      createJournal(operations, "one", testSpec, { clock: systemClock })[Symbol.dispose]();
      return { module, name: "closeJournal", args: [operations] };
    };
    await cutOffEverywhere(how, fresh, (outcome, at) => {
      const { outcome: ended } = readJournal(operations, "one", testSpec);
      // The line that is begun, the last line, and its flush.
      if (outcome === "failed") expect(at).toBeLessThanOrEqual(3);
      else expect(ended).toBe("done");
    });
  },
);
