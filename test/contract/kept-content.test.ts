import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { restoreJournal } from "../../src/operations/restore/journal.ts";
import { keptContent } from "../../src/operations/restore/kept-content.ts";
import { createJournal } from "../../src/operations/session/journal.ts";
import { treeExchange } from "../../src/stores/tree/exchange-tree.ts";
import { treeReplace } from "../../src/stores/tree/replace.ts";
import { plainTasks } from "./stores-a/contexts.ts";

it("content that a finished restore set aside is listed until somebody removes it", async () => {
  await using directory = await temporaryDirectory("sophon-keeper-kept-");
  const operations = join(directory.path, "operations");
  const paths: string[] = [];
  for (const [turn, outcome] of ["done", "undone", "done"].entries()) {
    const target = join(directory.path, `data-${turn}`);
    const id = `sophon-20260102T03040${turn}Z-00aa`;
    mkdirSync(target);
    const place = { mounts: [{ path: directory.path, readOnly: false }] };
    const replacement = { target, stamp: `before-${turn}` };
    const journal = createJournal(operations, id, restoreJournal, { clock: systemClock });
    journal.append("restore", "set-aside", { ...replacement, place });
    paths.push((await plainTasks.run(treeReplace, replacement, place)).aside);
    journal.close(outcome);
  }
  expect(keptContent(operations).map(({ path }) => path)).toEqual([paths[2], paths[0]]);
  // The undo of a restore exchanges what it set aside: from then on its own content is there.
  const [target = "", place] = [join(directory.path, "data-0"), { mounts: [] }];
  const exchange = { target, stamp: "before-3", from: "before-0" };
  const id = "sophon-20260102T030403Z-00aa";
  const journal = createJournal(operations, id, restoreJournal, { clock: systemClock });
  journal.append("restore", "exchange", { ...exchange, place });
  const { aside } = await plainTasks.run(treeExchange, exchange, place);
  journal.close("done");
  expect(keptContent(operations).map(({ path }) => path)).toEqual([aside, paths[2]]);
  await plainTasks.run(treeExchange, { target, stamp: "before-0", from: "before-3" }, place);
  rmSync(paths[2] ?? "", { recursive: true });
  expect(keptContent(operations)).toMatchObject([
    { restore: "sophon-20260102T030400Z-00aa", path: paths[0] },
  ]);
});
