import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack, type LabStack, type Tier } from "../lab/stack.ts";
import { type BadVersion, badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import {
  containersOf,
  repository,
  stackArguments,
  startKeeper,
  statesOf,
  upgrade,
} from "./upgrade-lab.ts";

/** `SOPHON_KEEPER_UPGRADE_MATRIX=all` runs every bad version; the default is one of each kind. */
const all = process.env.SOPHON_KEEPER_UPGRADE_MATRIX === "all";
const chosen: readonly BadVersion[] = all
  ? (Object.keys(badVersions) as BadVersion[]).filter((name) => name !== "fills-disk")
  : ["migration-failed-but-healthy", "crash-loop", "corrupts-vault", "healthy-briefly"];
const quick = ["--health-timeout", "25s"];

/** After the command a plain `up` must find nothing to do. */
async function expectAtRest(stack: LabStack) {
  const before = await containersOf(stack);
  await stack.compose(["up", "--detach"]);
  expect(await containersOf(stack)).toEqual(before);
}

async function expectRolledBack(tier: Tier, names: readonly BadVersion[]) {
  await using stack = await createStack({ tier, name: "upgrade-bad" });
  for (const name of names) {
    const [before, states] = [await snapshot(stack), await statesOf(stack)];
    const reference = await stack.publish(wrecking(badVersions[name]));
    const more = name === "healthy-briefly" ? ["--soak", "12s"] : [];
    const { code, result, stderr } = await upgrade(stack, reference, ...quick, ...more).done;
    expect(code, `${name}\n${stderr}`).toBe(6);
    expect(result).toMatchObject({ result: "rolled-back", reason: { class: expect.any(String) } });
    expect(diff(before, await snapshot(stack)), name).toEqual([]);
    expect(await statesOf(stack), name).toEqual(states);
    expect((await fetch(`${stack.gatewayUrl}/api/health`)).status, name).toBe(200);
    expect(existsSync(String(result?.failedPath)), name).toBe(true);
    await expectAtRest(stack);
  }
}

describe("a live upgrade", () => {
  it("to a good image passes, is pinned, and a plain up recreates nothing", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-good" });
    const planned = await upgrade(stack, stack.reference("1.1.0"), "--dry-run").done;
    expect(planned.result).toMatchObject({ result: "planned" });

    const containers = await containersOf(stack);
    const same = await upgrade(stack, stack.reference("1.1.0")).done;
    expect(same.result, same.stderr).toMatchObject({ result: "unchanged" });
    expect(await containersOf(stack)).toEqual(containers);

    const missing = await upgrade(stack, stack.reference("9.9.9")).done;
    expect(missing.code, missing.stderr).toBe(2);
    expect(await containersOf(stack)).toEqual(containers);

    const words = goodVersions["1.2.0-words"];
    const reference = await stack.publish({ ...words, faults: { unhealthy: { untilSeconds: 6 } } });
    const { code, result, stderr } = await upgrade(stack, reference).done;
    expect(code, stderr).toBe(0);
    expect(result).toMatchObject({ result: "passed", to: { "sophon-gateway": reference } });
    expect(result?.downtimeSeconds).toBeGreaterThan(0);
    expect((await gatewayState(stack)).version).toBe("1.2.0-words");
    await expectAtRest(stack);
    const idle = await startKeeper(["recover", ...stackArguments(stack)]).done;
    expect(idle.result).toMatchObject({ result: "unchanged" });
    expect(existsSync(repository(stack))).toBe(true);
  });

  it(`to bad images ends with the old version on its data: ${chosen.join(", ")}`, async () => {
    await expectRolledBack("personal", chosen);
  });

  it("of a whole enterprise stack goes back with every store, and then forward", async () => {
    await expectRolledBack("enterprise", ["migration-failed"]);
  });
});
