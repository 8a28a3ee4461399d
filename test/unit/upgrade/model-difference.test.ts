import { expect, it } from "vitest";
import { withoutSecrets } from "../../../src/operations/upgrade/model-difference.ts";

it("a stored model shows that a secret changed, and not what it is", () => {
  const model = (secret: string) => ({ name: "p", services: { a: { command: `-p ${secret}` } } });
  const [old, now] = ["hunter2", "hunter3"].map((secret) =>
    JSON.stringify(withoutSecrets(model(secret), ["hunter2", "hunter3"])),
  );
  expect(old).toMatch(/"-p \*\*\*\w{8}"/);
  expect(now).toMatch(/"-p \*\*\*\w{8}"/);
  expect(old).not.toBe(now);
});
