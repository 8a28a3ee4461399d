import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { startKeeper } from "./support/keeper.ts";
import { type BackedUpStack, backedUp, prove, scratchOf, succeed } from "./support/restored.ts";

/** How many backups are proven one after the other: many show that none is a false alarm. */
const inARow = [1, 5];

/** The temporary directories of a process, which hold the stack's secrets in the clear: in memory, in its repository or elsewhere. */
async function temporariesOf(pid: number, repository: string): Promise<string[]> {
  const places = [tmpdir(), "/dev/shm", join(repository, "clear")];
  const names = await Promise.all(places.map((place) => readdir(place).catch(() => [])));
  return names.flat().filter((name) => new RegExp(`^sophon-keeper-[a-z]+-${pid}-`).test(name));
}

describe.each(["personal", "enterprise"] as Tier[])("a test restore of a %s stack", (tier) => {
  let stack: LabStack;
  let on: BackedUpStack;

  beforeAll(async () => {
    stack = await createStack({ tier, name: `vr-${tier}`, writers: true });
    on = await backedUp(stack);
  });
  afterAll(async () => {
    await stack.down();
  });

  // One backup of the largest tier is proven in whole-stack, too.
  it.each(inARow)(
    "proves %i backups made under the writers, while the stack serves, and leaves nothing",
    { ...exhaustive, timeout: 1_800_000 },
    async (rounds) => {
      const seconds: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await succeed(on, "backed-up", "backup");
        seconds.push(await prove(on));
      }
      console.log(`${tier}: ${rounds} verified at level restore; seconds: ${seconds.join(" ")}`);
    },
  );

  // One tier: what a killed run leaves does not depend on the stores.
  if (tier === "personal") {
    it("that is killed leaves nothing once the next one has run", exhaustive, async () => {
      await succeed(on, "backed-up", "backup");
      const args = on.arguments("verify", "--level", "restore");
      const running = startKeeper(args);
      let isOver = false;
      void running.ended.then(() => {
        isOver = true;
      });
      await until(
        "a copy is there",
        240_000,
        async () => isOver || (await scratchOf(stack)) !== "",
      );
      running.kill("SIGKILL");
      const { signal } = await running.ended;
      if (signal === "SIGKILL")
        expect(await temporariesOf(running.pid, on.repository)).not.toEqual([]);
      await succeed(on, "listed", "list");
      expect(await scratchOf(stack)).toBe("");
      expect(await temporariesOf(running.pid, on.repository)).toEqual([]);
    });
  }
});
