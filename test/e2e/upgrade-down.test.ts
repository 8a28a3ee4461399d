import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { startRegistry } from "../lab/registry.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { atStep, containersOf, expectAsBefore, look, upgrade } from "./upgrade-lab.ts";

const bad = wrecking(badVersions.unhealthy);

/** Every container of a stack, whatever it does. */
async function removeContainers({ projectName }: LabStack): Promise<void> {
  const filter = `label=com.docker.compose.project=${projectName}`;
  const ids = (await run(["docker", "ps", "--all", "--quiet", "--filter", filter])).trim();
  await run(["docker", "rm", "--force", ...ids.split("\n")]);
}

describe("the way back from a live upgrade", () => {
  it("needs no registry, and no container of the stack", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-registry-"));
    try {
      await using registry = await startRegistry(directory);
      await using stack = await createStack({ tier: "personal", name: "upgrade-alone", registry });
      const before = await look(stack);
      const reference = await stack.publish(bad);
      const begin = () => upgrade(stack, reference, "--health-timeout", "1m");
      const running = await atStep(stack, "gate/watch", begin);
      // Held, so that nothing is put back while it is taken away.
      running.child.kill("SIGSTOP");
      await registry.stop();
      expect(await registry.reachable()).toBe(false);
      await removeContainers(stack);
      running.child.kill("SIGCONT");
      const { code, result, stderr } = await running.done;
      expect(code, stderr).toBe(6);
      expect(result).toMatchObject({ result: "rolled-back", reason: { class: "gone" } });
      await expectAsBefore(stack, before, "alone");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe("a live upgrade of a stack that is down", () => {
  it("is refused, and nothing is started", async () => {
    await using stack = await createStack({ tier: "personal", name: "upgrade-off" });
    const reference = await stack.publish(bad);
    await stack.compose(["stop"]);
    const stopped = await containersOf(stack);
    const { code, result, stderr } = await upgrade(stack, reference).done;
    expect(code, stderr).toBe(2);
    expect(result).toMatchObject({ result: "refused" });
    expect(await containersOf(stack)).toEqual(stopped);
    await stack.compose(["down"]);
    const gone = await upgrade(stack, reference).done;
    expect(gone.code, gone.stderr).toBe(2);
  });
});
