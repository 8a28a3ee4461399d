import { existsSync, readdirSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { type BadVersion, badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import { byClock, failing, failureClasses } from "./support/failure-classes.ts";
import {
  containersOf,
  expectAsBefore,
  expectAtRest,
  repository,
  sharedStack,
  stackArguments,
  startKeeper,
  upgrade,
} from "./upgrade-lab.ts";

const shared = sharedStack(() => createStack({ tier: "personal", name: "upgrade-bad" }));
afterAll(() => shared.remove());

/** What only the log tells; the others are cells, and what decides about each is tested in `test/unit/gate`. */
const usual: readonly BadVersion[] = ["migration-failed-but-healthy"];

describe("a live upgrade", () => {
  it("to a good image passes, is pinned, and a plain up recreates nothing", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-good" });
    const planned = await upgrade(stack, stack.reference("1.1.0"), "--dry-run").done;
    expect(planned.result).toMatchObject({ result: "planned" });

    const containers = await containersOf(stack);
    const same = await upgrade(stack, stack.reference("1.1.0")).done;
    expect(same.result, same.stderr).toMatchObject({ result: "unchanged" });
    expect(await containersOf(stack)).toEqual(containers);

    const words = goodVersions["1.2.0-words"];
    const reference = await stack.publish({ ...words, faults: { unhealthy: { untilSeconds: 6 } } });
    const { code, result, stderr } = await upgrade(stack, reference).done;
    expect(code, stderr).toBe(0);
    expect(result).toMatchObject({ result: "passed", to: { "sophon-gateway": reference } });
    expect(result?.downtimeSeconds).toBeGreaterThan(0);
    expect((await gatewayState(stack)).version).toBe("1.2.0-words");
    await expectAtRest(stack, "passed");
    const idle = await startKeeper(["recover", ...stackArguments(stack)]).done;
    expect(idle.result).toMatchObject({ result: "unchanged" });
    expect(existsSync(repository(stack))).toBe(true);
  });

  it(
    "starts the application although the engine asks for the health of a server that was frozen only later",
    exhaustive,
    async () => {
      // Of every container, and once it is healthy.
      const edit = (text: string) => text.replaceAll("interval: 5s", "interval: 60s");
      await using stack = await createStack({ tier: "pro", name: "upgrade-thawed", edit });
      const reference = await stack.publish("1.2.0");
      const { code, result, stderr } = await upgrade(stack, reference).done;
      expect(code, stderr).toBe(0);
      expect(result).toMatchObject({ result: "passed" });
      // Nobody is down until the next check, and nothing is committed before it.
      expect(result?.downtimeSeconds).toBeLessThan(45);
      expect(result?.seconds).toBeGreaterThan(60);
      await expectAtRest(stack, "thawed");
    },
  );

  it(
    "gives a migration that makes progress more time than it has to become healthy",
    exhaustive,
    async () => {
      await using stack = await createStack({ tier: "personal", name: "upgrade-slow" });
      const faults = { slowMigration: { seconds: 24, steps: 20 } };
      const reference = await stack.publish({
        ...goodVersions["1.2.0"],
        version: "1.2.0-s",
        faults,
      });
      const { code, stderr } = await upgrade(stack, reference, "--health-timeout", "12s").done;
      expect(code, stderr).toBe(0);
      expect((await gatewayState(stack)).version).toBe("1.2.0-s");
      await expectAtRest(stack, "a slow migration");
    },
  );

  cells(it, failing, (name) => usual.includes(name))(
    "to an image that fails (%s) ends with the old version on its data",
    async (name) => {
      await shared.use(async (stack, before) => {
        const reference = await stack.publish(wrecking(badVersions[name]));
        const timeout = ["--health-timeout", byClock.includes(name) ? "15s" : "5m"];
        const soak = name === "healthy-briefly" ? ["--soak", "12s"] : [];
        const { code, result, stderr } = await upgrade(stack, reference, ...timeout, ...soak).done;
        expect(code, stderr).toBe(6);
        expect(result).toMatchObject({
          result: "rolled-back",
          to: { "sophon-gateway": reference },
        });
        const reason = result?.reason as { readonly class: string };
        expect(reason.class).toMatch(failureClasses[name]);
        const kept = readdirSync(String(result?.failedPath));
        expect(kept.filter((one) => !one.endsWith(".tar.zst"))).toEqual([]);
        expect(kept).not.toEqual([]);
        await expectAsBefore(stack, before, name);
      });
    },
  );

  it("to an image that is not there, or is for another machine, is refused before anything stops", async () => {
    await shared.use(async (stack, before) => {
      const containers = await containersOf(stack);
      const missing = await upgrade(stack, stack.reference("9.9.9")).done;
      expect(missing.code, missing.stderr).toBe(2);
      expect(missing.result).toMatchObject({ result: "refused", reason: { class: "no-image" } });
      const other = await upgrade(stack, await publishForOtherMachine(stack)).done;
      expect(other.code, other.stderr).toBe(2);
      expect(other.result).toMatchObject({ result: "refused", reason: { class: "platform" } });
      expect(await containersOf(stack)).toEqual(containers);
      await expectAsBefore(stack, before, "refused");
    });
  });

  it("of a stack that is down is refused, and nothing is started", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(wrecking(badVersions.unhealthy));
      await stack.compose(["stop"]);
      const stopped = await containersOf(stack);
      const { code, result, stderr } = await upgrade(stack, reference).done;
      expect(code, stderr).toBe(2);
      expect(result).toMatchObject({ result: "refused" });
      expect(await containersOf(stack)).toEqual(stopped);
      await stack.compose(["down"]);
      const gone = await upgrade(stack, reference).done;
      expect(gone.code, gone.stderr).toBe(2);
      await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180"]);
      await expectAsBefore(stack, before, "down");
    });
  });
});

/** An image of another architecture, which this machine can make and not run. */
async function publishForOtherMachine(stack: LabStack): Promise<string> {
  const reference = stack.reference("1.3.0-elsewhere");
  const platform = process.arch === "arm64" ? "linux/amd64" : "linux/arm64";
  const build = ["docker", "build", "--quiet", "--platform", platform, "--tag", reference, "-"];
  await run(build, { input: "FROM scratch\nLABEL sophon-keeper.lab=1\nENV ELSEWHERE=1\n" });
  await run(["docker", "push", "--quiet", reference]);
  await run(["docker", "rmi", reference]);
  return reference;
}
