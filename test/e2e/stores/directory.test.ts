import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Store } from "../../../src/stores/store.ts";
import { stores } from "../../../src/stores/stores.ts";
import { cells } from "../../lab/matrix.ts";
import { run, tryRun } from "../../lab/run.ts";
import { brokenStores } from "./broken-stores.ts";
import { conformance } from "./conformance.ts";
import { type DirectorySubject, directorySubject } from "./directory.ts";

const good = stores.volume as unknown as Store;

describe("the suite that every store runs", () => {
  let subject: DirectorySubject;

  beforeAll(async () => {
    subject = await directorySubject();
  });

  afterEach(async () => {
    // Some of the stores below leave it so.
    await tryRun(["docker", "unpause", subject.service]);
  });

  afterAll(() => subject[Symbol.asyncDispose]());

  it("finds nothing in a volume with a database that is written to", async () => {
    expect(await conformance(good, subject)).toEqual([]);
    expect(await run(["docker", "inspect", "--format", "{{.State.Status}}", subject.service])).toBe(
      "running\n",
    );
  });

  const rows = brokenStores.map((one) => [one.title, one] as const);
  // A few of them are enough to show that it can be red.
  cells(
    it,
    rows,
    (title) => rows.findIndex(([other]) => other === title) % 8 === 0,
  )("is red for a store that %s", async (_, { breaks, make }) => {
    const broken = await conformance(make(good, subject.service), subject);
    const promises = new Set(broken.map(({ promise }) => promise));
    expect(promises, JSON.stringify(broken)).toEqual(new Set(breaks));
  });
});
