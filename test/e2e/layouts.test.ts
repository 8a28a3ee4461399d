import { describe, expect, it } from "vitest";
import { cells, exhaustive } from "../lab/matrix.ts";
import { type Layout, layouts, settled } from "./support/layouts.ts";
import type { SmallStack } from "./support/small-stack.ts";

// Stacks laid out as people run them, through everything that happens to a stack. Never is a person needed.

type Name = keyof typeof layouts;
const names = Object.keys(layouts) as Name[];
const to = ({ upgraded }: Layout, version: number) =>
  Object.fromEntries(upgraded.map((service) => [service, version]));

async function seen(stack: SmallStack, layout: Layout) {
  await settled(stack);
  return { states: await stack.states(), facts: await layout.facts(stack) };
}

describe.each(names)("a stack laid out as %s", (name) => {
  const layout: Layout = layouts[name];
  const expectVersions = async (stack: SmallStack, version: number) =>
    expect(await stack.versions()).toMatchObject(
      Object.fromEntries(layout.upgraded.map((service) => [service, String(version)])),
    );

  it("is as before after an upgrade to a bad image", exhaustive, async () => {
    await using stack = await layout.make(`${name}-bad`);
    const before = await seen(stack, layout);
    const bad = await stack.upgrade(to(layout, 3));
    expect(bad.code, bad.stderr).toBe(6);
    expect(await seen(stack, layout)).toEqual(before);
    await expectVersions(stack, 1);
  });

  it("is upgraded, backed up at rest, verified and restored", exhaustive, async () => {
    await using stack = await layout.make(`${name}-life`);
    const good = await stack.upgrade(to(layout, 2));
    expect(good.code, good.stderr).toBe(0);
    await expectVersions(stack, 2);
    const before = await seen(stack, layout);
    const backup = await stack.keeper("backup", "--consistency", "stopped");
    expect(backup.code, backup.stderr).toBe(0);
    expect(await seen(stack, layout)).toEqual(before);
    const verified = await stack.keeper("verify", "--level", "restore", "--health-timeout", "60s");
    expect(verified.code, JSON.stringify(verified.result)).toBe(0);
    await layout.change(stack);
    expect(await layout.facts(stack)).not.toBe(before.facts);
    const restored = await stack.keeper("restore", "--health-timeout", "60s", "--soak", "2s");
    expect(restored.code, restored.stderr).toBe(0);
    expect(await seen(stack, layout)).toEqual(before);
    await expectVersions(stack, 2);
  });

  const steps = ["stop-writers", "up", "watch"] as const;
  cells(
    it,
    steps,
    () => false,
  )("is recovered after a kill at %s", async (step) => {
    await using stack = await layout.make(`${name}-kill`);
    const before = await seen(stack, layout);
    const killed = await stack.killedAtStep(step, to(layout, 2));
    expect(killed.signal, killed.stderr).toBe("SIGKILL");
    const recovered = await stack.keeper("recover", "--project-name", stack.projectName);
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(await seen(stack, layout)).toEqual(before);
    await expectVersions(stack, 1);
  });
});
