import { existsSync } from "node:fs";
import { cp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { killedAtLine, killedSomewhere } from "./support/killed.ts";
import { type BackedUpStack, backedUp, differences, ready, succeed } from "./support/restored.ts";
import { stateOf } from "./support/state.ts";

/** Which lines of a restore's journal it is killed at; the first stands for the others. */
const lines: readonly (readonly [title: string, isMeant: (line: number) => boolean])[] = [
  // Half of it set aside; what was restored is about to start.
  ["some lines", (line) => [4, 8].includes(line)],
  ...[1, 2, 3, 4].map(
    (first) =>
      [`every fourth line from ${first}`, (line: number) => line % 4 === first % 4] as const,
  ),
];

/** How the containers stand, which may have been started anew meanwhile. */
async function statesOf(stack: LabStack) {
  const states = Object.entries(await stateOf(stack)).map(
    ([service, { id, status, paused, policy }]) => [service, { id, status, paused, policy }],
  );
  return Object.fromEntries(states);
}

/** What a restore keeps beside the data directory. */
async function leftBeside(directory: string): Promise<string[]> {
  const names = await readdir(dirname(directory));
  return names.filter((name) => name.startsWith(`${basename(directory)}.`));
}

describe.each(["personal", "enterprise"] as Tier[])("a restore of a %s stack", (tier) => {
  let stack: LabStack;
  let on: BackedUpStack;
  let backup: string;

  beforeAll(async () => {
    stack = await createStack({ tier, name: `rk-${tier}` });
    on = await backedUp(stack);
    backup = (await succeed(on, "backed-up", "backup")).path;
  });
  afterAll(async () => {
    await stack.down();
  });
  const newer = () => join(stack.dataDir, "newer-than-the-backup");

  cells(
    it,
    lines,
    (title) => tier === "personal" && title === "some lines",
  )(
    "that is killed at %s of its journal is undone by recover: the live stack is as it was before",
    async (_, isMeant) => {
      // A row that came to its end kept what it had set aside.
      for (const name of await leftBeside(stack.dataDir)) {
        await rm(join(dirname(stack.dataDir), name), { recursive: true });
      }
      await writeFile(newer(), "precious");
      const [before, states] = [await snapshot(stack), await statesOf(stack)];
      let killed: string | undefined = "";
      for (let line = 1; line <= 100; line++) {
        if (!isMeant(line)) continue;
        killed = await killedAtLine(line, on.arguments("restore"), on.repository);
        // Once the last line is written, the restore is done and nobody undoes it.
        if (killed === undefined || killed === "restored" || killed === "closed") break;
        await succeed(on, "recovered", "recover");
        await ready(stack);
        expect(diff(before, await snapshot(stack)), `killed at ${killed}`).toEqual([]);
        expect(await statesOf(stack), `killed at ${killed}`).toEqual(states);
        // What ran once may hold somebody's work.
        const kept = killed === "start" ? [expect.stringMatching(/\.failed$/)] : [];
        const left = await leftBeside(stack.dataDir);
        expect(left, `killed at ${killed}`).toEqual(kept);
        for (const name of left) await rm(join(dirname(stack.dataDir), name), { recursive: true });
      }
      if (existsSync(newer())) return;
      if (killed === "restored") await succeed(on, "recovered", "recover");
      await succeed(on, "unchanged", "recover");
      await ready(stack);
      expect(await statesOf(stack)).toEqual(states);
    },
  );

  const alike = tier === "personal" ? {} : exhaustive;
  it("is never begun with a damaged backup", alike, async () => {
    // A copy: what becomes of it is noted nowhere that the others read.
    const copy = join(stack.scratch, "damaged", basename(backup));
    await cp(backup, copy, { recursive: true });
    const name = (await readdir(copy)).find((one) => one.startsWith("data.")) as string;
    const bytes = await readFile(join(copy, name));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(join(copy, name), bytes);
    const [{ ino }, states] = [await stat(stack.dataDir), await stateOf(stack)];
    await succeed(on, "damaged", "restore", "--backup", copy);
    expect((await stat(stack.dataDir)).ino).toBe(ino);
    expect(await stateOf(stack)).toEqual(states);
  });
});

describe("a restore of a personal stack", () => {
  it.each([1, 2, 3, 4, 5])(
    "that is killed at any moment, and its recover too, ends as before or restored (%i)",
    exhaustive,
    async () => {
      await using stack = await createStack({ tier: "personal", name: "rk-any" });
      const on = await backedUp(stack);
      const backedUpContent = await snapshot(stack);
      await succeed(on, "backed-up", "backup");
      await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
      let before = await snapshot(stack);
      for (let round = 0; round < 5; round++) {
        const restored = await killedSomewhere(on.arguments("restore"), 4_000);
        await killedSomewhere(on.arguments("recover"), 2_500);
        const { result, stderr } = await on.run("recover");
        expect(["recovered", "unchanged"], stderr).toContain(result.result);
        await ready(stack);
        const now = await snapshot(stack);
        const isBefore = diff(before, now).length === 0;
        if (isBefore) continue;
        expect(differences(backedUpContent, now), `killed after ${restored} ms`).toEqual([]);
        await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
        before = await snapshot(stack);
      }
    },
  );
});
