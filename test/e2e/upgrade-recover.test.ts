import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack, Tier } from "../lab/lab-stack.ts";
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
/**
 * `SOPHON_KEEPER_UPGRADE_MATRIX=all` kills at every step of the journal, `enterprise` does so on that tier; the default
 * are the steps that differ most.
 */
const matrix = process.env.SOPHON_KEEPER_UPGRADE_MATRIX ?? "short";
const all = matrix !== "short";
const tier: Tier = matrix === "enterprise" ? "enterprise" : "personal";
const badSteps = all
  ? [...forward, ...backward]
  : ["pre-copy/copies", "quiesce/freeze", "apply/up", "roll-back/put-back"];
const goodSteps = all ? [...forward, "committed/committed"] : ["gate/watch", "committed/committed"];
/** Where a recovery is killed, too, one after the other. */
const recoverySteps = all
  ? backward
  : ["roll-back/remove", "roll-back/put-back", "roll-back/recreate", "roll-back/start"];
/** Generous: the machine may be busy with other tests. */
const waitMs = 240_000;
const randomKills = all ? 6 : 1;

const bad = wrecking(badVersions["crash-loop"]);
const shared = sharedStack(() => createStack({ tier, name: "upgrade-kill" }));
afterAll(() => shared.remove());

async function recover(stack: LabStack, what: string) {
  const { code, stderr } = await startRecover(stack).done;
  expect(code, `${what}\n${journalSteps(stack)}\n${stderr}`).toBe(0);
}

/** What an upgrade that nobody disturbs makes of the content of a stack. */
let undisturbed: Promise<string[]> | undefined;
async function newContent(): Promise<string[]> {
  undisturbed ??= (async () => {
    await using stack = await createStack({ tier, name: "upgrade-whole" });
    const before = await snapshot(stack);
    const { code, stderr } = await upgrade(stack, await stack.publish("1.2.0")).done;
    expect(code, stderr).toBe(0);
    return diff(before, await snapshot(stack));
  })();
  return await undisturbed;
}

/** The old version on the old data, or the new version on the new: which it is is told. */
async function expectWhole(stack: LabStack, before: StackSeen, what: string) {
  const { version } = await gatewayState(stack);
  if (version === "1.1.0") return await expectAsBefore(stack, before, what).then(() => undefined);
  expect(version, what).toBe("1.2.0");
  expect(diff(before.content, await snapshot(stack)), what).toEqual(await newContent());
  const states = await statesOf(stack);
  expect(states.length, what).toBe(before.states.length);
  expect(states.filter((line) => !line.endsWith("running unless-stopped"))).toEqual([]);
  await expectAtRest(stack, what);
  const lock = readFileSync(join(repository(stack), "images.lock.json"), "utf8");
  expect(JSON.parse(lock).services["sophon-gateway"].image).toBe(stack.reference("1.2.0"));
  return "new";
}

describe(`an upgrade of ${tier} to a bad image`, () => {
  it.each(badSteps)("that is killed at %s leaves what recover brings back", async (step) => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAt(stack, step, () => upgradeToBad(stack, reference));
      await recover(stack, step);
      await expectAsBefore(stack, before, step);
    });
  });

  it("whose recovery is killed, too, again and again, is recovered", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAt(stack, "gate/watch", () => upgradeToBad(stack, reference));
      for (const step of recoverySteps) await killAt(stack, step, () => startRecover(stack));
      await recover(stack, "recovery");
      await expectAsBefore(stack, before, "recovery");
    });
  });
});

describe(`an upgrade of ${tier} to a good image`, () => {
  it.each(goodSteps)("that is killed at %s ends with one of both versions", async (step) => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(goodVersions["1.2.0"]);
      await killAt(stack, step, () => upgrade(stack, reference));
      await recover(stack, step);
      return await expectWhole(stack, before, step);
    });
  });
});

describe(`an upgrade of ${tier} that is killed at any instant`, () => {
  const instants = Array.from({ length: randomKills }, () => Math.round(Math.random() * 20_000));

  it.each(instants)("%d ms after its begin, to a good image", async (ms) => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(goodVersions["1.2.0"]);
      await killAfter(ms, upgrade(stack, reference));
      await recover(stack, `${ms} ms`);
      return await expectWhole(stack, before, `${ms} ms`);
    });
  });

  it.each(instants)("%d ms after its begin, to a bad image, and its recovery", async (ms) => {
    await shared.use(async (stack, before) => {
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
  it("in the middle of a Compose, which lives on, is put right for good", async () => {
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

  it("while the engine is stopping a container starts it again, once it has stopped", async () => {
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
  });

  it("while it tries its edits leaves no text of the project's files", async () => {
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

  it("with the stack down afterwards still comes back", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(bad);
      await killAt(stack, "gate/watch", () => upgradeToBad(stack, reference));
      await stack.compose(["down"]);
      await recover(stack, "down");
      await expectAsBefore(stack, before, "down");
    });
  });

  it("once the old version runs again keeps what it wrote since", async () => {
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
