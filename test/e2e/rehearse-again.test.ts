// @module-tag exhaustive
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Rehearsal } from "../../src/model/rehearsal.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { program } from "../lab/program.ts";
import { run, tryRun } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { backedUp, clonesOf, keptDataOf, phasesOf, rehearse } from "./rehearse-lab.ts";
import {
  containersOf,
  expectAsBefore,
  repository,
  sharedStack,
  stackArguments,
  startKeeper,
} from "./upgrade-lab.ts";

async function backedUpStack(): Promise<LabStack> {
  const stack = await createStack({ tier: "personal", name: "rehearse-again" });
  await backedUp(stack);
  return stack;
}

const shared = sharedStack(backedUpStack);
afterAll(() => shared.remove());

async function offers(stack: LabStack): Promise<string[]> {
  return await readdir(join(repository(stack), "templates")).catch(() => []);
}

describe("a second push", () => {
  it("needs no restore, comes to the same verdicts, and its data goes with prune", async () => {
    await shared.use(async (stack, before) => {
      const containers = await containersOf(stack);
      const good = await stack.publish(goodVersions["1.2.0-words"]);
      const wreck = await stack.publish(wrecking(badVersions["migration-failed"]));
      const first = await rehearse(stack, good).done;
      expect(first.code, first.stderr).toBe(0);
      expect(first.result?.rehearsal).toMatchObject({ template: { used: false, kept: true } });
      const kept = await keptDataOf(stack);
      expect(kept.length).toBeGreaterThan(0);
      expect(await offers(stack)).toEqual([expect.stringMatching(/^template-[0-9a-f]{8}\.json$/)]);

      const failed = await rehearse(stack, wreck).done;
      expect(failed.code, failed.stderr).toBe(4);
      expect(failed.result).toMatchObject({
        result: "failed",
        rehearsal: { template: { used: true, kept: true } },
      });
      expect(phasesOf(failed.result)).not.toContain("restore");

      // What the failed version did to its clone is not in the kept data.
      const second = await rehearse(stack, good).done;
      expect(second.code, second.stderr).toBe(0);
      expect(phasesOf(second.result)).not.toContain("restore");
      const found = (result: typeof first.result) => {
        const { schema, rows, upgrade, rollBack } = (result?.rehearsal ?? {}) as Rehearsal;
        const migrations = upgrade?.migrations.map(({ id }) => id);
        return { schema, rows, migrations, inPlace: rollBack?.inPlace };
      };
      expect(found(second.result)).toEqual(found(first.result));
      expect(Number(second.result?.seconds)).toBeLessThan(Number(first.result?.seconds));
      expect(await keptDataOf(stack)).toEqual(kept);
      expect(await clonesOf(stack)).toEqual([]);
      expect(await containersOf(stack)).toEqual(containers);

      // Where another repository lies at its path, as in a container, nobody can judge the kept data.
      const other = join(stack.scratch, "other");
      await run(["cp", "-a", repository(stack), other]);
      await rm(join(other, "templates"), { recursive: true });
      const prune = ["prune", ...stackArguments(stack), "--keep-last", "9"];
      const there = `mount --bind "${other}" "${repository(stack)}" && exec "$@"`;
      const inside = ["unshare", "--mount", "sh", "-c", there, "sh", process.execPath, program];
      const blind = await tryRun([...inside, ...prune]);
      expect(blind.code, blind.stderr).toBe(0);
      expect(blind.stderr + blind.stdout).toContain(
        `nothing of it is seen in ${repository(stack)}`,
      );
      expect(await keptDataOf(stack)).toEqual(kept);

      const pruned = await startKeeper(prune).done;
      expect(pruned.code, pruned.stderr).toBe(0);
      expect(await keptDataOf(stack)).toEqual([]);
      expect(await offers(stack)).toEqual([]);
      await expectAsBefore(stack, before, "second push");
    });
  });

  it("restores the backup if the kept data is not what it was, or is gone", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(goodVersions["1.2.0"]);
      const first = await rehearse(stack, reference).done;
      expect(first.code, first.stderr).toBe(0);
      const [volume = ""] = await keptDataOf(stack);
      const place = await run(["docker", "volume", "inspect", "-f", "{{.Mountpoint}}", volume]);
      const tree = join(place.trim(), "copy", "tree");
      for (const name of await readdir(tree)) await rm(join(tree, name), { recursive: true });

      const second = await rehearse(stack, reference).done;
      expect(second.code, second.stderr).toBe(0);
      expect(second.stderr).toContain("is not usable, the backup is restored");
      expect(second.result?.rehearsal).toMatchObject({ template: { used: false, kept: true } });
      for (const name of await keptDataOf(stack)) await run(["docker", "volume", "rm", name]);

      const third = await rehearse(stack, reference, "--template-keep", "0").done;
      expect(third.code, third.stderr).toBe(0);
      expect(phasesOf(third.result)).toContain("restore");
      expect(await keptDataOf(stack)).toEqual([]);
      expect(await clonesOf(stack)).toEqual([]);
      await expectAsBefore(stack, before, "unusable");
    });
  });

  it.each([
    ["when a volume is copied", 1, " copied"],
    ["after the data is copied", 1, "Upgrade to the new images"],
    ["while a clone is filled", 2, "Fill the clone from the kept copy"],
    ["while the clone is rolled back", 2, "Roll back images and data"],
  ])("after one that was killed %s uses nothing half made", async (_title, push, words) => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(goodVersions["1.2.0"]);
      if (push === 2) {
        const first = await rehearse(stack, reference).done;
        expect(first.code, first.stderr).toBe(0);
      }
      const running = rehearse(stack, reference);
      let said = "";
      running.child.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes(words)) running.child.kill("SIGKILL");
      });
      const killed = await running.done;
      expect(killed.code, killed.stderr).toBe(null);
      const left = await keptDataOf(stack);
      expect(left.length).toBeGreaterThan(0);

      const next = await rehearse(stack, reference).done;
      expect(next.code, next.stderr).toBe(0);
      expect(next.result?.rehearsal).toMatchObject({ template: { used: false, kept: true } });
      const now = await keptDataOf(stack);
      expect(now.filter((name) => left.includes(name))).toEqual([]);
      expect(await offers(stack)).toHaveLength(1);
      await startKeeper(["prune", ...stackArguments(stack), "--keep-last", "9"]).done;
      expect(await keptDataOf(stack)).toEqual([]);
      await expectAsBefore(stack, before, words);
    });
  });
});

describe("candidates", () => {
  it("are tried on one restore, a clone each, and told in one table", async () => {
    await shared.use(async (stack, before) => {
      const references = [
        await stack.publish(goodVersions["1.2.0"]),
        await stack.publish(wrecking(badVersions["migration-failed"])),
        await stack.publish(goodVersions["1.2.0-words"]),
      ];
      const lines = references.map((reference, at) =>
        at === 0 ? `sophon-gateway=${reference}` : reference,
      );
      const { code, result, stderr } = await rehearse(stack, "", "--candidates", lines.join(","))
        .done;
      expect(code, stderr).toBe(4);
      expect(result).toMatchObject({
        result: "failed",
        reason: { message: expect.stringContaining("2 of 3 candidates work") },
        rehearsal: {
          candidates: [
            { reference: references[0], result: "passed", prediction: expect.anything() },
            { reference: references[1], result: "failed", reason: expect.anything() },
            { reference: references[2], result: "passed", record: expect.any(String) },
          ],
        },
      });
      const phases = phasesOf(result);
      expect(phases.filter((phase) => phase === "restore")).toHaveLength(1);
      expect(phases.filter((phase) => phase === "clone")).toHaveLength(2);
      expect(await clonesOf(stack)).toEqual([]);
      await startKeeper(["prune", ...stackArguments(stack), "--keep-last", "9"]).done;
      expect(await keptDataOf(stack)).toEqual([]);
      await expectAsBefore(stack, before, "candidates");
    });
  });
});
