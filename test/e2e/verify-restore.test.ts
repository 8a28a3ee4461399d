import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { prober } from "../lab/prober.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { startKeeper } from "./support/keeper.ts";
import { type BackedUpStack, backedUp, succeed } from "./support/restored.ts";

/** How many backups are proven one after the other: many show that none is a false alarm. */
const inARow = [1, 5];

interface Check {
  readonly name: string;
  readonly status: string;
  readonly component?: string;
  readonly detail: string;
}

/** What of copies of this stack is left in the engine. */
async function leftOf({ projectName }: LabStack): Promise<string> {
  const label = `label=sophon-keeper.project=${projectName}`;
  const kind = "label=sophon-keeper.kind=scratch";
  const lists = [
    ["ps", "--all"],
    ["volume", "ls"],
    ["network", "ls"],
  ].map((list) => run(["docker", ...list, "--quiet", "--filter", label, "--filter", kind]));
  return (await Promise.all(lists)).join("").trim();
}

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

  const isUsual = (rounds: number) => rounds === 1 && tier === "enterprise";
  cells(it, inARow, isUsual, { timeout: 1_800_000 })(
    "proves %i backups made under the writers, while the stack serves, and leaves nothing",
    async (rounds) => {
      const seconds: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await succeed(on, "backed-up", "backup");
        await using probing = prober(`${stack.gatewayUrl}/api/health`, 100, 10_000);
        const verified = await succeed(on, "verified", "verify", "--level", "restore");
        const seen = await probing.stop();
        const checks = verified.checks as Check[];
        expect(checks.filter(({ status }) => status !== "pass")).toEqual([]);
        const names = checks.map(({ name }) => name);
        expect(names).toContain("schema head once booted");
        expect(names).toContain("recovery time");
        expect(verified.level).toBe("restore");
        expect(seen.failures).toEqual([]);
        expect(await leftOf(stack)).toBe("");
        seconds.push(Math.round(verified.seconds));
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
      await until("a copy is there", 240_000, async () => isOver || (await leftOf(stack)) !== "");
      running.kill("SIGKILL");
      const { signal } = await running.ended;
      if (signal === "SIGKILL")
        expect(await temporariesOf(running.pid, on.repository)).not.toEqual([]);
      await succeed(on, "listed", "list");
      expect(await leftOf(stack)).toBe("");
      expect(await temporariesOf(running.pid, on.repository)).toEqual([]);
    });
  }
});
