import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { happening } from "./support/moments.ts";
import {
  atStep,
  expectAsBefore,
  expectAtRest,
  journalSteps,
  killAt,
  look,
  repository,
  type StackSeen,
  sharedStack,
  startRecover,
  statesOf,
  upgrade,
  upgradeToBad,
} from "./upgrade-lab.ts";

// SIGKILL at the steps of the journal and in between, then `recover`. Wherever it lands, the old version runs on the
// old data, or the new one on the new.

const forward = [
  "opened/opened",
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
const tiers = ["personal", "enterprise"] as const;
/** The steps that differ most, on the smaller tier, stand for the others. */
const usualBad = ["quiesce/freeze"];
const usualGood = ["committed/committed"];
/** Where a recovery is killed, too, one after the other. */
const usualRecovery = ["roll-back/put-back", "roll-back/start"];
/** Generous: the machine may be busy with other tests. */
const waitMs = 240_000;
const randomKills = [1, 2, 3, 4, 5, 6];

const bad = wrecking(badVersions["crash-loop"]);
const stacks = {
  personal: sharedStack(() => createStack({ tier: "personal", name: "upgrade-kill" })),
  enterprise: sharedStack(() => createStack({ tier: "enterprise", name: "upgrade-kill" })),
};
const shared = stacks.personal;
afterAll(async () => {
  await Promise.all([stacks.personal.remove(), stacks.enterprise.remove()]);
});

async function recover(stack: LabStack, what: string) {
  const { code, stderr } = await startRecover(stack).done;
  expect(code, `${what}\n${journalSteps(stack)}\n${stderr}`).toBe(0);
}

/** What an upgrade that nobody disturbs makes of the content of a stack of a tier. */
const undisturbed = new Map<Tier, Promise<string[]>>();
async function newContent(tier: Tier): Promise<string[]> {
  const known = undisturbed.get(tier);
  if (known !== undefined) return await known;
  const changed = (async () => {
    await using stack = await createStack({ tier, name: "upgrade-whole" });
    const before = await snapshot(stack);
    const { code, stderr } = await upgrade(stack, await stack.publish("1.2.0")).done;
    expect(code, stderr).toBe(0);
    return diff(before, await snapshot(stack));
  })();
  undisturbed.set(tier, changed);
  return await changed;
}

/** The old version on the old data, or the new version on the new: which it is is told. */
async function expectWhole(stack: LabStack, before: StackSeen, what: string) {
  const { version } = await gatewayState(stack);
  if (version === "1.1.0") return await expectAsBefore(stack, before, what).then(() => undefined);
  expect(version, what).toBe("1.2.0");
  expect(diff(before.content, await snapshot(stack)), what).toEqual(await newContent(stack.tier));
  const states = await statesOf(stack);
  expect(states.length, what).toBe(before.states.length);
  expect(states.filter((line) => !line.endsWith("running unless-stopped"))).toEqual([]);
  await expectAtRest(stack, what);
  const lock = readFileSync(join(repository(stack), "images.lock.json"), "utf8");
  expect(JSON.parse(lock).services["sophon-gateway"].image).toBe(stack.reference("1.2.0"));
  return "new";
}

describe.each(tiers)("an upgrade of %s to a bad image", (tier) => {
  const { use } = stacks[tier];
  const isUsual = (step: string) => tier === "personal" && usualBad.includes(step);

  cells(
    it,
    [...forward, ...backward],
    isUsual,
  )("that is killed at %s leaves what recover brings back", async (step) => {
    await use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAt(stack, step, () => upgradeToBad(stack, reference));
      await recover(stack, step);
      await expectAsBefore(stack, before, step);
    });
  });

  const recoveries = [usualRecovery, backward].map((steps) => [steps.join(", "), steps] as const);
  cells(
    it,
    recoveries,
    (_, steps) => tier === "personal" && steps === usualRecovery,
  )("whose recovery is killed, too, again and again (%s), is recovered", async (_, steps) => {
    await use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAt(stack, "gate/watch", () => upgradeToBad(stack, reference));
      for (const step of steps) await killAt(stack, step, () => startRecover(stack));
      await recover(stack, "recovery");
      await expectAsBefore(stack, before, "recovery");
    });
  });
});

describe.each(tiers)("an upgrade of %s to a good image", (tier) => {
  const isUsual = (step: string) => tier === "personal" && usualGood.includes(step);

  cells(
    it,
    [...forward, "committed/committed"],
    isUsual,
  )("that is killed at %s ends with one of both versions", async (step) => {
    await stacks[tier].use(async (stack, before) => {
      const reference = await stack.publish(goodVersions["1.2.0"]);
      await killAt(stack, step, () => upgrade(stack, reference));
      await recover(stack, step);
      return await expectWhole(stack, before, step);
    });
  });
});

describe.each(tiers)("an upgrade of %s that is killed at any instant", exhaustive, (tier) => {
  const instant = () => Math.round(Math.random() * 20_000);

  it.each(randomKills)("to a good image, time %d", async () => {
    const ms = instant();
    await stacks[tier].use(async (stack, before) => {
      const reference = await stack.publish(goodVersions["1.2.0"]);
      await killAfter(ms, upgrade(stack, reference));
      await recover(stack, `${ms} ms`);
      return await expectWhole(stack, before, `${ms} ms`);
    });
  });

  it.each(randomKills)("to a bad image, and its recovery, time %d", async () => {
    const ms = instant();
    await stacks[tier].use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAfter(ms, upgradeToBad(stack, reference));
      await killAfter(ms / 4, startRecover(stack));
      await recover(stack, `${ms} ms`);
      await expectAsBefore(stack, before, `${ms} ms`);
    });
  });
});

/** To this signal the gateway is deaf: it ends when its time to stop is over. */
const deaf = (yaml: string) =>
  yaml.replace("restart: unless-stopped", "restart: unless-stopped\n    stop_signal: SIGURG");

/** How often the engine passed the stop signal of {@link deaf} on to a container. */
async function stopsOf(container: string): Promise<number> {
  const filters = ["--filter", `container=${container}`, "--filter", "event=kill"];
  const span = ["--since", "30m", "--until", "0s", "--format", "{{.Actor.Attributes.signal}}"];
  const told = await run(["docker", "events", ...filters, ...span]);
  return told.split("\n").filter((signal) => signal === String(constants.signals.SIGURG)).length;
}

/** The processes of a Compose that makes the containers of a stack. */
function composesOf({ projectName }: LabStack): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const isOurs = (pid: string) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words.includes("compose") && words.includes(projectName) && words.includes("up");
    } catch {
      return false;
    }
  };
  return pids.filter(isOurs).map(Number);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}

async function killAfter(ms: number, { child, done }: ReturnType<typeof upgrade>) {
  await Promise.race([delay(ms), done]);
  child.kill("SIGKILL");
  await done;
}

describe("an upgrade that is killed", () => {
  it("in the middle of a Compose, which lives on, is put right for good", exhaustive, async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(bad);
      const project = `label=com.docker.compose.project=${stack.projectName}`;
      await using creation = await happening(project, "event=create");
      const running = upgradeToBad(stack, reference);
      // Held in the middle of what it does: it would go on when everything is right again.
      await Promise.race([creation.reached(), running.done]);
      const held = composesOf(stack);
      for (const pid of held) signal(pid, "SIGSTOP");
      running.child.kill("SIGKILL");
      await running.done;
      await recover(stack, "a Compose that lives on");
      for (const pid of held) signal(pid, "SIGCONT");
      await until("Compose is gone", 60_000, async () => composesOf(stack).length === 0);
      await expectAsBefore(stack, before, "a Compose that lives on");
    });
  });

  it(
    "while the engine is stopping a container starts it again, once it has stopped",
    exhaustive,
    async () => {
      await using stack = await createStack({ tier: "personal", name: "upgrade-deaf", edit: deaf });
      const before = await look(stack);
      const gateway = await stack.containerId("sophon-gateway");
      const startedAt = await run(["docker", "inspect", "-f", "{{.State.StartedAt}}", gateway]);
      const reference = await stack.publish(bad);
      const running = await atStep(stack, "quiesce/stop-writers", () =>
        upgradeToBad(stack, reference),
      );
      await until("it was told to stop", waitMs, async () => (await stopsOf(gateway)) >= 1);
      running.child.kill("SIGKILL");
      await running.done;
      const recovering = startRecover(stack);
      let over = false;
      void recovering.done.then(() => {
        over = true;
      });
      const again = async () => over || (await stopsOf(gateway)) >= 2;
      await until("it was told to stop again, or it is over", waitMs, again);
      await run(["docker", "kill", "--signal", "TERM", gateway]);
      const { code, stderr } = await recovering.done;
      expect(code, stderr).toBe(0);
      const now = await run(["docker", "inspect", "-f", "{{.State.StartedAt}}", gateway]);
      expect(now, "the stop that was under way ends it some time later").not.toBe(startedAt);
      await expectAsBefore(stack, before, "a stop under way");
    },
  );

  it("while it tries its edits leaves no text of the project's files", exhaustive, async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(bad);
      const texts = join(repository(stack), "upgrades");
      const tried = () => existsSync(texts) && readdirSync(texts).length > 0;
      const running = await atStep(stack, "opened/opened", () => upgradeToBad(stack, reference));
      let over = false;
      void running.done.then(() => {
        over = true;
      });
      await until("an edit is tried, or it is over", waitMs, async () => over || tried());
      running.child.kill("SIGKILL");
      await running.done;
      expect(tried()).toBe(true);
      await recover(stack, "edits that are tried");
      await expectAsBefore(stack, before, "edits that are tried");
    });
  });

  // That a rollback needs no container of the stack is tested in upgrade-down.
  it("with the stack down afterwards still comes back", exhaustive, async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAt(stack, "gate/watch", () => upgradeToBad(stack, reference));
      await stack.compose(["down"]);
      await recover(stack, "down");
      await expectAsBefore(stack, before, "down");
    });
  });

  it("once the old version runs again keeps what it wrote since", exhaustive, async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-since" });
    const reference = await stack.publish(bad);
    await killAt(stack, "roll-back/check", () => upgradeToBad(stack, reference));
    const written = join(stack.dataDir, "written-since");
    writeFileSync(written, "since");
    await recover(stack, "written since");
    expect(readFileSync(written, "utf8")).toBe("since");
    expect((await gatewayState(stack)).version).toBe("1.1.0");
  });
});
