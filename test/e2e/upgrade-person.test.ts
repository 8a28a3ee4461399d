import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { keeper, type Outcome } from "./support/keeper.ts";
import { expectAsBefore, look, statesOf, upgradeArguments } from "./upgrade-lab.ts";

// The way back itself fails: a person is told what to type, and types it.

const preload = pathToFileURL(join(import.meta.dirname, "support", "run-at-step.ts")).href;
const healthMs = 240_000;

/** The commands below a heading of what a person is told. */
function commandsBelow(heading: string, { result }: Outcome): string[] {
  const lines = (result.reason.evidence as string).split("\n");
  const below = lines.slice(lines.indexOf(heading) + 1);
  const end = below.findIndex((line) => !line.startsWith("  "));
  return end < 0 ? below : below.slice(0, end);
}

/** Types them, word for word, far away from the project. */
async function type(commands: readonly string[]): Promise<void> {
  expect(commands.length).toBeGreaterThan(2);
  await run(["sh", "-ec", commands.join("\n")], { cwd: "/" });
}

async function asHinted({ result }: Outcome): Promise<Outcome> {
  const command = /`sophon-keeper ([^`]+)`/.exec(result.reason.hint)?.[1] ?? "";
  return await keeper(command.split(" "));
}

it("a way back that is blocked leaves the copy untouched, and names what brings the old version back", async () => {
  await using stack = await createStack({ tier: "personal", name: "upgrade-person" });
  const before = await look(stack);
  const reference = await stack.publish(wrecking(badVersions["migration-failed"]));
  const env = { RUN_AT_STEP: "put-back", RUN_COMMAND: `chattr +i ${stack.dataDir}` };
  const argv = upgradeArguments(stack, reference, "--soak", "30s");
  const ended = await keeper(argv, { preload, env });
  try {
    expect(ended.code, ended.stderr).toBe(7);
    expect(ended.result).toMatchObject({ result: "rollback-failed" });
    const again = await asHinted(ended);
    expect(again.code, again.stderr).toBe(7);
    expect(again.result.reason.evidence).toBe(ended.result.reason.evidence);
  } finally {
    await run(["chattr", "-i", stack.dataDir]);
  }
  await type(commandsBelow("By hand, as root:", ended));
  const health = async () =>
    (await fetch(`${stack.gatewayUrl}/api/health`).catch(() => undefined))?.status === 200;
  await until("the old version serves", healthMs, health);
  expect(diff(before.content, await snapshot(stack))).toEqual([]);
  expect(await statesOf(stack)).toEqual(before.states);
  // What it writes from now on is its own: no later run puts the copy back once more.
  const written = join(stack.dataDir, "written-since");
  await run(["touch", written]);
  const recovered = await asHinted(ended);
  expect(recovered.result, recovered.stderr).toMatchObject({ result: "unchanged" });
  expect(existsSync(written)).toBe(true);
  await run(["rm", written]);
  await run(["touch", "--reference", `${stack.dataDir}/data`, stack.dataDir]);

  await type(commandsBelow("Once it has proven itself:", ended));
  await run(["sh", "-ec", `rm ${stack.scratch}/repository/operations/*.by-hand`]);
  await expectAsBefore(stack, { ...before, content: await snapshot(stack) }, "by hand");
});
