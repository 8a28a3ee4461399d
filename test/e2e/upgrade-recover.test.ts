import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack, type LabStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import {
  containersOf,
  journalSteps,
  stackArguments,
  startKeeper,
  statesOf,
  upgrade,
} from "./upgrade-lab.ts";

const forward = [
  "preflight/plan",
  "preflight/keep",
  "pull/pull",
  "backup/begin",
  "pre-copy/copies",
  "quiesce/restart-off",
  "quiesce/stop-writers",
  "quiesce/freeze",
  "quiesce/thaw",
  "apply/files",
  "apply/up",
  "gate/watch",
];
const backward = [
  "roll-back/roll-back",
  "roll-back/remove",
  "roll-back/put-back",
  "roll-back/old-files",
  "roll-back/recreate",
  "roll-back/start",
  "roll-back/check",
  "rolled-back/rolled-back",
];
/** `SOPHON_KEEPER_UPGRADE_MATRIX=all` kills at every step of the journal; the default at those that differ most. */
const all = process.env.SOPHON_KEEPER_UPGRADE_MATRIX === "all";
const short = ["pre-copy/copies", "quiesce/freeze", "apply/up", "roll-back/put-back"];
const steps = all ? [...forward, ...backward] : short;

/** Kills the upgrade with SIGKILL as soon as a step's line is on the disk. */
async function killAt(stack: LabStack, reference: string, step: string) {
  const started = upgrade(stack, reference, "--health-timeout", "20s");
  let ended = false;
  void started.done.then(() => {
    ended = true;
  });
  const before = journalSteps(stack).length > 0 ? journalSteps(stack) : [];
  await until(
    step,
    120_000,
    async () => {
      const now = journalSteps(stack);
      return ended || (now.includes(step) && now.join() !== before.join());
    },
    async () => journalSteps(stack).join(" "),
  );
  started.child.kill("SIGKILL");
  return await started.done;
}

async function recover(stack: LabStack) {
  return await startKeeper(["recover", ...stackArguments(stack)]).done;
}

describe("an upgrade that is killed", () => {
  it("leaves what recover brings back: the old version on its data", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-kill" });
    const bad = await stack.publish(wrecking(badVersions.unhealthy));
    for (const step of steps) {
      const [before, states] = [await snapshot(stack), await statesOf(stack)];
      await killAt(stack, bad, step);
      const { code, stderr } = await recover(stack);
      expect(code, `${step}\n${stderr}`).toBe(0);
      expect(diff(before, await snapshot(stack)), step).toEqual([]);
      expect(await statesOf(stack), step).toEqual(states);
      const now = await containersOf(stack);
      await stack.compose(["up", "--detach"]);
      expect(await containersOf(stack), step).toEqual(now);
    }
  });

  it("with the stack down afterwards still comes back", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-down" });
    const bad = await stack.publish(wrecking(badVersions.unhealthy));
    const [before, states] = [await snapshot(stack), await statesOf(stack)];
    await killAt(stack, bad, "gate/watch");
    await stack.compose(["down"]);
    const { code, stderr } = await recover(stack);
    expect(code, stderr).toBe(0);
    expect(diff(before, await snapshot(stack))).toEqual([]);
    expect(await statesOf(stack)).toEqual(states);
  });

  it("once the old version runs again keeps what it wrote since", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-since" });
    const bad = await stack.publish(wrecking(badVersions.unhealthy));
    await killAt(stack, bad, "roll-back/check");
    const written = join(stack.dataDir, "written-since");
    writeFileSync(written, "since");
    const { code, stderr } = await recover(stack);
    expect(code, stderr).toBe(0);
    expect(readFileSync(written, "utf8")).toBe("since");
    expect((await gatewayState(stack)).version).toBe("1.1.0");
  });

  it("after the decision stays with the new version", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-commit" });
    const good = await stack.publish(goodVersions["1.2.0"]);
    await killAt(stack, good, "committed/committed");
    const { code, stderr } = await recover(stack);
    expect(code, stderr).toBe(0);
    expect((await gatewayState(stack)).version).toBe("1.2.0");
    const now = await containersOf(stack);
    expect(now.every((line) => line.endsWith("running unless-stopped"))).toBe(true);
    await stack.compose(["up", "--detach"]);
    expect(await containersOf(stack)).toEqual(now);
  });
});
