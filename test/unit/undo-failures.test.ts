import { expect, it } from "vitest";
import { exitCodes, KeeperError, RefusedError } from "../../src/core/errors.ts";
import { withUndoFailures } from "../../src/operations/session/session.ts";

const failure = new KeeperError(exitCodes.needsPerson, "rollback-failed", "cannot go back", {
  ...{ class: "c", hint: "mend it", evidence: "docker compose stop", facts: { from: {} } },
});

it("an undo that fails takes nothing from what the first error tells a person to do", () => {
  const told = withUndoFailures(failure, [{ name: "unlock", error: new Error("no engine") }]);
  expect(told).toMatchObject({
    ...{ exitCode: 7, class: "c", hint: "mend it", evidence: "docker compose stop" },
    facts: { from: {} },
    message: expect.stringContaining("unlock: no engine"),
  });
});

it("an error that is also its own undo's is told once", () => {
  expect(withUndoFailures(failure, [{ name: "end", error: failure }])).toBe(failure);
  expect(withUndoFailures(new RefusedError("x"), [])).toMatchObject({ message: "x" });
});
