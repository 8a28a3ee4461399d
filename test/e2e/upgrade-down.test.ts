import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { startRegistry } from "../lab/registry.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { atStep, expectAsBefore, look, startKeeper, upgradeArguments } from "./upgrade-lab.ts";

const bad = wrecking(badVersions.unhealthy);

/** Every container of a stack, whatever it does. */
async function removeContainers({ projectName }: LabStack): Promise<void> {
  const filter = `label=com.docker.compose.project=${projectName}`;
  const ids = (await run(["docker", "ps", "--all", "--quiet", "--filter", filter])).trim();
  await run(["docker", "rm", "--force", ...ids.split("\n")]);
}

// Whose every copy is made in a helper container: that user has less than root, whose way back is shown elsewhere.
describe("the way back from a live upgrade by a user of the docker group", () => {
  it("needs no registry, and no container of the stack", { timeout: 1_200_000 }, async () => {
    await ensureDockerUser();
    const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-registry-"));
    try {
      await using registry = await startRegistry(directory);
      const whose = { name: "upgrade-alone", owner: dockerUser, registry };
      await using stack = await createStack({ tier: "personal", ...whose });
      const before = await look(stack);
      const reference = await stack.publish(bad);
      const args = upgradeArguments(stack, reference, "--health-timeout", "1m");
      const begin = () => startKeeper(args, "docker user");
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
