import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  atStep,
  expectAsBefore,
  expectAtRest,
  killAt,
  sharedStack,
  startRecover,
  upgrade,
  upgradeToBad,
} from "../e2e/upgrade-lab.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { noOwnEngine, type OwnEngine, startOwnEngine } from "../lab/own-engine.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { gatewayState } from "../lab/writers.ts";

// The engine goes down and comes up again, as with its machine, and revives what its restart policies tell it to.

const steps = [
  "pre-copy/copies",
  "quiesce/freeze",
  "apply/up",
  "gate/watch",
  "roll-back/put-back",
] as const;
const always = (yaml: string) => yaml.replaceAll("restart: unless-stopped", "restart: always");
const impossible = await noOwnEngine();

describe.skipIf(impossible !== undefined)(
  `an upgrade whose engine is restarted${impossible === undefined ? "" : ` (${impossible})`}`,
  () => {
    let engine: OwnEngine | undefined;
    const made = { tier: "personal", name: "upgrade-reboot", edit: always } as const;
    const shared = sharedStack(() => createStack(made));
    const bad = wrecking(badVersions["crash-loop"]);

    beforeAll(async () => {
      engine = await startOwnEngine();
      // For the lab and for the program alike; a file of tests is a process of its own.
      process.env.DOCKER_HOST = engine.host;
    });
    afterAll(async () => {
      await shared.remove();
      delete process.env.DOCKER_HOST;
      await engine?.[Symbol.asyncDispose]();
    });

    cells(
      it,
      steps,
      (step) => step === "gate/watch",
    )("after it was killed at %s comes back", async (step) => {
      await shared.use(async (stack, before) => {
        const reference = await stack.publish(bad);
        await killAt(stack, step, () => upgradeToBad(stack, reference));
        await engine?.restart();
        const { code, stderr } = await startRecover(stack).done;
        expect(code, stderr).toBe(0);
        await expectAsBefore(stack, before, step);
      });
    });

    it("under its hands comes back, at the latest with recover", exhaustive, async () => {
      await shared.use(async (stack, before) => {
        const reference = await stack.publish(wrecking(badVersions.unhealthy));
        const running = await atStep(stack, "gate/watch", () => upgradeToBad(stack, reference));
        await engine?.restart();
        const { code, stderr } = await running.done;
        expect([6, 7], stderr).toContain(code);
        const recovered = await startRecover(stack).done;
        expect(recovered.code, recovered.stderr).toBe(0);
        await expectAsBefore(stack, before, "under its hands");
      });
    });

    it("after the decision stays with the new version", exhaustive, async () => {
      await shared.use(async (stack) => {
        const reference = await stack.publish(goodVersions["1.2.0"]);
        await killAt(stack, "committed/committed", () => upgrade(stack, reference));
        await engine?.restart();
        const { code, stderr } = await startRecover(stack).done;
        expect(code, stderr).toBe(0);
        expect((await gatewayState(stack)).version).toBe("1.2.0");
        await expectAtRest(stack, "committed");
        return "new";
      });
    });
  },
);
