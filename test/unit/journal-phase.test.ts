import { expect, test } from "vitest";
import { recoveryOf, upgradePhases } from "../../src/model/upgrade-phase.ts";

test("an upgrade that was cut off is cleaned up, rolled back or finished by its last phase", () => {
  expect(recoveryOf(undefined)).toBe("clean-up");
  expect(upgradePhases.map(recoveryOf)).toEqual([
    ...["clean-up", "clean-up", "clean-up", "clean-up"],
    ...["roll-back", "roll-back", "roll-back", "roll-back"],
    ...["finish", "finish"],
  ]);
});
