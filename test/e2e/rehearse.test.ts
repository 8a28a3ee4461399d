import { readdir } from "node:fs/promises";
import { getPriority, tmpdir } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import type { Rehearsal } from "../../src/model/rehearsal.ts";
import { Repository } from "../../src/repository/repository.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { type BadVersion, badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { backedUp, clonesOf, keptDataOf, rehearse, rehearseOnce } from "./rehearse-lab.ts";
import { byClock, failing, failureClasses } from "./support/failure-classes.ts";
import { needsOutside } from "./support/needs-outside.ts";
import {
  containersOf,
  expectAsBefore,
  repository,
  sharedStack,
  stackArguments,
  startKeeper,
  upgrade,
} from "./upgrade-lab.ts";

async function backedUpStack(tier: LabStack["tier"]): Promise<LabStack> {
  const stack = await createStack({ tier, name: `rehearse-${tier}` });
  await backedUp(stack);
  return stack;
}

/** The gateway's container in the clone of a stack, once it runs. */
async function cloneOf({ projectName }: LabStack): Promise<string | undefined> {
  const labels = [
    ...["sophon-keeper.kind=scratch", `sophon-keeper.project=${projectName}`],
    "com.docker.compose.service=sophon-gateway",
  ];
  const filters = labels.flatMap((label) => ["--filter", `label=${label}`]);
  const ids = await run(["docker", "ps", "--quiet", "--filter", "status=running", ...filters]);
  return ids.split("\n").find((id) => id !== "");
}

/** The next run of any mode removes all of a killed one: clones, kept data without a record, files with clear text. */
async function expectNothingLeft(stack: LabStack, pid: number | undefined): Promise<void> {
  const pruned = await startKeeper(["prune", ...stackArguments(stack), "--keep-last", "3"]).done;
  expect(pruned.code, pruned.stderr).toBe(0);
  expect(await clonesOf(stack)).toEqual([]);
  expect(await keptDataOf(stack)).toEqual([]);
  const places = ["/dev/shm", tmpdir(), new Repository(repository(stack)).clear];
  const names = await Promise.all(places.map((place) => readdir(place).catch(() => [])));
  const ofIt = names.flat().filter((name) => name.includes(`-${pid}-`));
  expect(ofIt).toEqual([]);
}

const shared = sharedStack(() => backedUpStack("personal"));
afterAll(() => shared.remove());

const usual: readonly BadVersion[] = ["migration-failed-but-healthy"];
const secondTier: readonly LabStack["tier"][] = ["pro", "enterprise"];

describe("a rehearsal", () => {
  it("of a good image passes, rolls back in the clone, and leaves the live stack as it is", async () => {
    await shared.use(async (stack, before) => {
      const containers = await containersOf(stack);
      const reference = await stack.publish(goodVersions["1.2.0-words"]);
      const { code, result, stderr } = await rehearse(stack, reference).done;
      expect(code, stderr).toBe(0);
      expect(result).toMatchObject({
        result: "passed",
        to: { "sophon-gateway": reference },
        rehearsal: {
          control: { healthySeconds: expect.any(Number) },
          upgrade: {
            secondStartSeconds: expect.any(Number),
            migrations: Array(3).fill({
              ...{ database: expect.stringContaining("/"), id: expect.any(String) },
              seconds: expect.any(Number),
            }),
          },
          schema: [{ added: expect.arrayContaining([expect.any(String)]) }],
          requires: { environment: [], volumes: [] },
          newLogTemplates: expect.any(Array),
          imageBytes: { from: expect.any(Number), to: expect.any(Number) },
          ...{ memoryPeakBytes: expect.any(Number), packetsOut: 0 },
          diskPeakBytes: expect.any(Number),
          prediction: { basis: expect.arrayContaining([expect.stringContaining("start")]) },
          rollBack: { inPlace: expect.stringMatching(/works|fails/) },
          live: { lost: 0, p95BeforeMs: expect.any(Number), p95DuringMs: expect.any(Number) },
        },
      });
      expect(await containersOf(stack)).toEqual(containers);
      expect(await clonesOf(stack)).toEqual([]);
      await expectAsBefore(stack, before, "rehearsed");
    });
  });

  cells(it, failing, (name) => usual.includes(name))(
    "of an image that fails (%s) fails as the live gate does",
    async (name) => {
      await shared.use(async (stack, before) => {
        const reference = await stack.publish(wrecking(badVersions[name]));
        const timeout = ["--health-timeout", byClock.includes(name) ? "15s" : "5m"];
        const soak = name === "healthy-briefly" ? ["--soak", "12s"] : [];
        const { code, result, stderr } = await rehearse(stack, reference, ...timeout, ...soak).done;
        expect(code, stderr).toBe(4);
        expect(result?.result, stderr).toBe("failed");
        const reason = result?.reason as { readonly class: string };
        expect(reason.class).toMatch(failureClasses[name]);
        // The rollback was tried all the same, and it works.
        const checks = result?.checks as { readonly name: string; readonly status: string }[];
        const after = checks.filter((one) => one.name.endsWith(" after"));
        expect(after.filter(({ status }) => status !== "pass")).toEqual([]);
        expect(after.length).toBeGreaterThan(3);
        expect(await clonesOf(stack)).toEqual([]);
        await expectAsBefore(stack, before, name);
      });
    },
  );

  it.each([
    "Look at what changes",
    "Pull the images",
    "Create the clone",
    "Restore data (data)",
    "Control: start the old images",
    "Copy the data for the rollback",
    "Upgrade to the new images",
    "Compare, and start once more",
    "Start the old images on the migrated data",
    "Roll back images and data",
  ])("that is killed leaves nothing after the next run (%s)", exhaustive, async (phase) => {
    await shared.use(async (stack, before) => {
      const containers = await containersOf(stack);
      const reference = await stack.publish(goodVersions["1.2.0"]);
      const running = rehearse(stack, reference);
      let said = "";
      running.child.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes(phase)) running.child.kill("SIGKILL");
      });
      const { code, stderr } = await running.done;
      expect(code, stderr).toBe(null);
      expect(stderr).toContain(phase);
      await expectNothingLeft(stack, running.child.pid);
      expect(await containersOf(stack)).toEqual(containers);
      await expectAsBefore(stack, before, phase);
    });
  });

  it(
    "that is killed while it cleans up leaves nothing after the next run",
    exhaustive,
    async () => {
      await shared.use(async (stack, before) => {
        const reference = await stack.publish(goodVersions["1.2.0"]);
        const running = rehearse(stack, reference);
        let said = "";
        running.child.stderr.on("data", (chunk: Buffer) => {
          said += chunk.toString();
        });
        await until("the last phase", 300_000, async () =>
          said.includes("Roll back images and data"),
        );
        let all = 0;
        await until("the clone loses a part", 300_000, async () => {
          const now = (await clonesOf(stack)).length;
          all = Math.max(all, now);
          return now < all;
        });
        running.child.kill("SIGKILL");
        const { code, stderr } = await running.done;
        expect(code, stderr).toBe(null);
        await expectNothingLeft(stack, running.child.pid);
        await expectAsBefore(stack, before, "clean-up");
      });
    },
  );

  it(
    "is answered by an earlier one, and ends where the clone needs too much memory",
    exhaustive,
    async () => {
      await shared.use(async (stack, before) => {
        const reference = await stack.publish(goodVersions["1.2.0"]);
        const first = await rehearse(stack, reference).done;
        expect(first.code, first.stderr).toBe(0);
        // A later backup with the same migrations is as good.
        await backedUp(stack);
        const again = await rehearse(stack, reference, "--reuse-rehearsal", "1d").done;
        expect(again.code, again.stderr).toBe(0);
        expect(again.result).toMatchObject({
          result: "passed",
          checks: [{ name: "earlier rehearsal", status: "pass" }],
          rehearsal: { record: expect.stringMatching(/rehearsal-[0-9a-f]{8}\.json$/) },
        });
        // The reviewer is told all the same what was found out.
        const told = (one: typeof again.result) => {
          const { schema, rows, upgrade, rollBack, prediction } = (one?.rehearsal ??
            {}) as Rehearsal;
          return { schema, rows, upgrade, rollBack, prediction };
        };
        expect(told(again.result)).toEqual(told(first.result));
        expect(Number(again.result?.seconds)).toBeLessThan(Number(first.result?.seconds) / 2);

        const small = await rehearse(stack, reference, "--clone-memory", "16").done;
        expect(small.result, small.stderr).toMatchObject({
          ...{ result: "unverifiable", reason: { class: "memory" } },
        });
        expect(await clonesOf(stack)).toEqual([]);
        await expectAsBefore(stack, before, "clone-memory");
      });
    },
  );

  it("ends for the sake of the live stack, and says so", exhaustive, async () => {
    await using stack = await backedUpStack("personal");
    const reference = await stack.publish(goodVersions["1.2.0"]);
    const running = rehearseOnce("root", stack, reference);
    await until("a clone", 120_000, async () => (await clonesOf(stack)).length > 3);
    // Its programs go behind those of the live stack, too.
    expect(getPriority(running.child.pid)).toBeGreaterThan(getPriority());
    await stack.compose(["stop", "sophon-dashboard"]);
    const { code, result, stderr } = await running.done;
    expect(code, stderr).toBe(5);
    expect(result).toMatchObject({ result: "unverifiable", reason: { class: "live-first" } });
    expect(await clonesOf(stack)).toEqual([]);
  });

  it("keeps its backup from being pruned, and lets a live upgrade begin", exhaustive, async () => {
    await using stack = await backedUpStack("personal");
    const reference = await stack.publish(goodVersions["1.2.0"]);
    const require = ["--require-rehearsal", "1d"];
    const refused = await upgrade(stack, reference, ...require).done;
    expect(refused.result).toMatchObject({ result: "refused", reason: { class: "not-rehearsed" } });

    const running = rehearse(stack, reference);
    await until("a clone", 120_000, async () => (await clonesOf(stack)).length > 0);
    // Somebody opens the clone: what it then sends is counted.
    const gateway = await until("the gateway of the clone", 120_000, () => cloneOf(stack));
    await run(["docker", "network", "connect", "bridge", gateway]);
    await backedUp(stack);
    const pruned = await startKeeper(["prune", ...stackArguments(stack), "--keep-last", "1"]).done;
    expect(pruned.result?.removed, pruned.stderr).toEqual([]);
    const { code, result, stderr } = await running.done;
    expect(code, stderr).toBe(0);
    const { packetsOut } = (result?.rehearsal ?? {}) as Rehearsal;
    expect(packetsOut, stderr).toBeGreaterThan(0);

    const done = await upgrade(stack, reference, ...require).done;
    expect(done.code, done.stderr).toBe(0);
    expect(done.result).toMatchObject({ result: "passed", predicted: {} });
  });

  it("of a stack that needs the outside to be healthy is unverifiable", exhaustive, async () => {
    await using stack = await createStack({
      tier: "personal",
      name: "rehearse-outside",
      edit: needsOutside,
    });
    await backedUp(stack);
    const good = await stack.publish(goodVersions["1.2.0"]);
    const timeout = ["--health-timeout", "30s"];
    const { code, result, stderr } = await rehearse(stack, good, ...timeout).done;
    expect(code, stderr).toBe(5);
    expect(result).toMatchObject({
      ...{ result: "unverifiable", reason: { class: "control" } },
    });
    expect(stderr).toContain("clone-health: off");

    // Log, migrations and schema decide where that is asked for, for good and bad.
    const off = ["--clone-health", "off"];
    const counted = await rehearse(stack, good, ...off).done;
    expect(counted.code, counted.stderr).toBe(0);
    const wreck = await stack.publish(wrecking(badVersions["migration-failed"]));
    const failed = await rehearse(stack, wreck, ...off).done;
    expect(failed.code, failed.stderr).toBe(4);
    expect(await clonesOf(stack)).toEqual([]);
  });

  it.each(secondTier)("of a whole %s stack puts every store back", exhaustive, async (tier) => {
    await using stack = await backedUpStack(tier);
    const good = await stack.publish(goodVersions["1.2.0"]);
    const passed = await rehearse(stack, good).done;
    expect(passed.code, passed.stderr).toBe(0);
    const wreck = await stack.publish(wrecking(badVersions["migration-failed"]));
    const failed = await rehearse(stack, wreck).done;
    expect(failed.code, failed.stderr).toBe(4);
    expect(failed.result).toMatchObject({ result: "failed" });
    expect(await clonesOf(stack)).toEqual([]);
  });
});
