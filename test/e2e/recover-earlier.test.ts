import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { delta, preCopy } from "../../src/rollback-copy/copy.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { type Leftover, leave, leaveKeptImage } from "./support/earlier.ts";
import { isPaused } from "./support/moments.ts";
import { ready } from "./support/restored.ts";
import {
  expectAsBefore,
  look,
  repository,
  type StackSeen,
  sharedStack,
  startRecover,
} from "./upgrade-lab.ts";

// Operations that an earlier build left half done, by the journals that it wrote: an update of this program must not be
// what keeps a host from being brought back.

const shared = sharedStack(() => createStack({ tier: "personal", name: "earlier" }));
afterAll(() => shared.remove());

async function recover(stack: LabStack, { id }: Leftover): Promise<void> {
  const { code, stderr, result } = await startRecover(stack).done;
  expect(code, stderr).toBe(0);
  expect(result).toMatchObject({ result: "recovered", recovered: [id] });
  const operations = join(repository(stack), "operations");
  const journal = await readFile(join(operations, `${id}.jsonl`), "utf8");
  expect(journal.trimEnd().split("\n").at(-1)).toContain('"data":{"outcome":"undone"}');
  expect(existsSync(join(operations, `${id}.ballast`))).toBe(false);
}

/** Every container of the stack is down for good, in the order in which the dashboard does not notice. */
async function takeDown(stack: LabStack, services: readonly string[]): Promise<void> {
  for (const service of services) {
    const id = await stack.containerId(service);
    await run(["docker", "update", "--restart", "no", id]);
    await run(["docker", "stop", "--time", "10", id]);
  }
}

async function halfABackup(stack: LabStack, { steps }: Leftover): Promise<void> {
  const directory = join(repository(stack), "backups", `.partial-${steps.begin.id}`);
  await mkdir(directory);
  await writeFile(join(directory, "data.tar.zst"), "half");
}

describe("recover, after an earlier build was killed in a backup,", () => {
  it("starts the services that it had stopped", async () => {
    await shared.use(async (stack, before) => {
      const left = await leave(stack, repository(stack), "personal-backup-stopped", "stop");
      await halfABackup(stack, left);
      await run(["docker", "stop", ...left.steps.stop.containers]);
      await recover(stack, left);
      await ready(stack);
      await expectAsBefore(stack, before, "a stopped backup");
    });
  });

  const broker = "wakes the broker that it had paused, and removes its copy and the snapshots";
  it(broker, exhaustive, async () => {
    await using stack = await createStack({ tier: "enterprise", name: "earlier" });
    const before = await look(stack);
    const left = await leave(stack, repository(stack), "enterprise-backup-live", "pause");
    await halfABackup(stack, left);
    const { copy, mount } = left.steps["broker-copy"];
    await preCopy(mount.source, copy);
    const headers = { "api-key": stack.credentials.qdrantKey };
    const [collection] = Object.keys(left.steps["qdrant-snapshots"].known);
    const snapshots = `${stack.qdrantUrl}/collections/${collection}/snapshots`;
    const made = await fetch(snapshots, { method: "POST", headers });
    expect(made.status).toBe(200);
    const broker = await stack.containerId("rabbitmq");
    expect(left.steps.pause.containers).toEqual([broker]);
    await run(["docker", "pause", broker]);
    await recover(stack, left);
    expect(await isPaused(broker)).toBe(false);
    // What is left beside volumes and on the server is looked at, too.
    await expectAsBefore(stack, before, "a live backup");
  });
});

describe("recover, after an earlier build was killed in an upgrade,", () => {
  it("starts what it had stopped to finish the rollback copy", exhaustive, async () => {
    await shared.use(async (stack, before) => {
      const left = await upgradeUntil(stack, "freeze");
      // The first pass was over, the second was under way.
      const [{ copy }] = left.steps.plan.copies;
      await writeFile(join(copy, "pending"), "data");
      await recover(stack, left);
      await ready(stack);
      await expectAsBefore(stack, before, "freeze");
    });
  });

  it("brings the old version and its data back once the new one has started", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish("1.2.0");
      const left = await upgradeUntil(stack, "up");
      await delta(stack.dataDir, left.steps.plan.copies[0].copy);
      await cp(join(left.steps.plan.work, "new-0-after"), join(stack.directory, ".env"));
      await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180"]);
      expect(await runningImage(stack)).toBe(reference);
      await writeFile(join(stack.dataDir, "of-the-new-version"), "new");
      await recover(stack, left);
      await expectAsBefore(stack, before, "up");
      const failed = join(repository(stack), "failed", left.id, "data");
      expect(await readFile(join(failed, "of-the-new-version"), "utf8")).toBe("new");
    });
  });

  /** What such an upgrade has done until the line of a step is on the disk; its edit is not made yet. */
  async function upgradeUntil(stack: LabStack, step: string): Promise<Leftover> {
    const left = await leave(stack, repository(stack), "personal-upgrade-recovered", step);
    const { plan, keep } = left.steps;
    for (const image of keep.images) await leaveKeptImage(stack, left.id, image);
    await mkdir(plan.work, { recursive: true });
    const env = await readFile(join(stack.directory, ".env"), "utf8");
    const edited = env.replace(stack.reference("1.1.0"), stack.reference("1.2.0"));
    await writeFile(join(plan.work, "new-0-before"), env);
    await writeFile(join(plan.work, "new-0-after"), edited);
    await preCopy(stack.dataDir, plan.copies[0].copy);
    await takeDown(stack, ["sophon-gateway"]);
    const dashboard = await stack.containerId("sophon-dashboard");
    await run(["docker", "update", "--restart", "no", dashboard]);
    return left;
  }
});

async function runningImage(stack: LabStack): Promise<string> {
  const id = await stack.containerId("sophon-gateway");
  return (await run(["docker", "inspect", "--format", "{{.Config.Image}}", id])).trim();
}

describe("recover, after an earlier build was killed in a restore,", () => {
  const moments: [step: string, moment: string][] = [
    ["replace-tree", "while the archive was unpacked"],
    ["start", "when what it had restored was about to start"],
  ];
  cells(
    it,
    moments,
    (step) => step === "start",
  )("puts back what was set aside (%s: %s)", async (step) => {
    await shared.use(async (stack, before) => {
      const left = await leave(stack, repository(stack), "personal-restore", step);
      await takeDown(stack, ["sophon-dashboard", "sophon-gateway"]);
      const { dataDir } = stack;
      await rename(dataDir, `${dataDir}.sophon-keeper-${left.steps["set-aside"].stamp}`);
      await mkdir(dataDir);
      const second = `${dataDir}.sophon-keeper-${left.steps["replace-tree"].stamp}`;
      await mkdir(`${second}.new`);
      await writeFile(join(`${second}.new`, "restored"), "from the backup");
      if (step === "start") {
        await rename(dataDir, second);
        await rename(`${second}.new`, dataDir);
      }
      await recover(stack, left);
      await ready(stack);
      await keptBeside(stack, before, step === "start" ? "from the backup" : undefined);
    });
  });

  /** What ran once may hold somebody's work: it stays beside, and all else is as it was. */
  async function keptBeside(stack: LabStack, before: StackSeen, text: string | undefined) {
    const parent = dirname(stack.dataDir);
    const kept = (await readdir(parent)).filter((name) =>
      name.startsWith(`${basename(stack.dataDir)}.`),
    );
    const texts = kept.map((name) => readFile(join(parent, name, "restored"), "utf8"));
    expect(await Promise.all(texts)).toEqual(text === undefined ? [] : [text]);
    for (const name of kept) await rm(join(parent, name), { recursive: true });
    await expectAsBefore(stack, before, "a restore");
  }
});
