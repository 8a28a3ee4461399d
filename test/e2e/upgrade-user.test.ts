import { describe, expect, it } from "vitest";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import { exhaustive } from "../lab/matrix.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";
import {
  expectAsBefore,
  expectAtRest,
  look,
  startKeeper,
  upgradeArguments,
} from "./upgrade-lab.ts";

// That this user's upgrade goes back, even without the registry, is tested in upgrade-down.
describe("a live upgrade by a user of the docker group", exhaustive, () => {
  // Every copy is made in a helper container: a busy machine takes minutes.
  const timeout = 1_200_000;
  const createOwned = async () => {
    await ensureDockerUser();
    return await createStack({ tier: "personal", name: "upgrade-user", owner: dockerUser });
  };

  it("goes back from a bad image", { timeout }, async () => {
    await using stack = await createOwned();
    const before = await look(stack);
    const bad = await stack.publish(wrecking(badVersions["crash-loop"]));
    const back = await startKeeper(upgradeArguments(stack, bad, "--soak", "30s"), "docker user")
      .done;
    expect(back.code, back.stderr).toBe(6);
    await expectAsBefore(stack, before, "rolled back");
  });

  it("goes forward to a good image", { timeout }, async () => {
    await using stack = await createOwned();
    const good = await stack.publish("1.2.0");
    const forward = await startKeeper(upgradeArguments(stack, good), "docker user").done;
    expect(forward.code, forward.stderr).toBe(0);
    expect((await gatewayState(stack)).version).toBe("1.2.0");
    await expectAtRest(stack, "passed");
  });
});
