import { afterAll, describe, expect, it } from "vitest";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { backedUp, clonesOf, rehearse } from "./rehearse-lab.ts";
import { containersOf, expectAsBefore, sharedStack } from "./upgrade-lab.ts";

const shared = sharedStack(async () => {
  const stack = await createStack({ tier: "personal", name: "rehearse" });
  await backedUp(stack);
  return stack;
});
afterAll(() => shared.remove());

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
        rehearsal: { rollBack: { inPlace: expect.stringMatching(/works|fails/) } },
      });
      expect(await containersOf(stack)).toEqual(containers);
      expect(await clonesOf(stack)).toEqual([]);
      await expectAsBefore(stack, before, "rehearsed");
    });
  });

  it("of an image that fails is failed by the class of the live gate", async () => {
    await shared.use(async (stack, before) => {
      const reference = await stack.publish(wrecking(badVersions["migration-failed-but-healthy"]));
      const { code, result, stderr } = await rehearse(stack, reference).done;
      expect(code, stderr).toBe(4);
      expect(result).toMatchObject({ result: "failed" });
      await expectAsBefore(stack, before, "rehearsed");
    });
  });
});
