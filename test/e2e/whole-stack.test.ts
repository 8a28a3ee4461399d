import { afterAll, describe, expect, it } from "vitest";
import { createStack } from "../lab/stack.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { backedUp, expectItsOwn, prove, succeed } from "./support/restored.ts";
import { backUpUnderWriters, expectAllBack } from "./support/under-writers.ts";
import { wreckByServers, wreckFiles } from "./support/wrecks.ts";
import { expectAsBefore, sharedStack, upgradeToBad } from "./upgrade-lab.ts";

// What is promised of every store, on one stack that has them all: it takes long to come up. The same by tier, by who
// calls and at other moments are cells of the files that are about it.

// Some writes a second into each store: what counts is when each was acknowledged, and not how many there are.
const env = { LAB_WRITERS_RATE: "5" };
const shared = sharedStack(() => createStack({ tier: "enterprise", name: "whole", env }));
afterAll(() => shared.remove());

describe("a whole enterprise stack", { timeout: 1_200_000 }, () => {
  it("goes back from an upgrade to a bad image with every store", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(wrecking(badVersions["migration-failed"]));
      const { code, result, stderr } = await upgradeToBad(stack, reference).done;
      expect(code, stderr).toBe(6);
      expect(result).toMatchObject({ result: "rolled-back" });
      await expectAsBefore(stack, before, "enterprise");
    });
  });

  it("is backed up while it is written to, proven by a test restore, and comes back from files that no server starts on", async () => {
    await shared.use(async (stack, { content }) => {
      const on = await backedUp(stack);
      const made = await backUpUnderWriters(on, content, (id) => prove(on, "--backup", id));
      await wreckByServers(stack);
      await wreckFiles(stack);
      const restored = await succeed(on, "restored", "restore", "--backup", made.id);
      await expectAllBack(stack, made);
      await expectItsOwn(stack);
      expect(restored.setAside).toHaveLength(5);
      // There is nothing more to compare with.
      return "new";
    });
  });
});
