import { expect, it } from "vitest";
import { differingPins, pinsIn } from "../../../scripts/workflows.ts";

const [old, fresh] = ["a".repeat(40), "b".repeat(40)];
const use = (action: string, commit: string, version: string) =>
  `    - uses: ${action}@${commit} # ${version}\n`;

it("demands one commit for all parts of an action, wherever it stands", () => {
  const pins = [
    ...pinsIn("ci.yml", use("actions/checkout", fresh, "v2.0.0") + use("a/b/init", old, "v1")),
    ...pinsIn("page.md", use("actions/checkout", old, "v1.0.0") + use("a/b/analyze", old, "v1")),
    ...pinsIn("same.md", use("actions/checkout", fresh, "v2.0.0")),
  ];
  expect(pins).toHaveLength(5);
  expect(differingPins(pins)).toEqual([
    `page.md: actions/checkout is pinned to ${old} # v1.0.0, and in ci.yml to ${fresh} # v2.0.0`,
  ]);
});

it("demands the same version beside the same commit", () => {
  const pins = ["v1.0.0", "v1.0.1"].flatMap((version) =>
    pinsIn(`${version}.yml`, use("actions/checkout", old, version)),
  );
  expect(differingPins(pins)).toHaveLength(1);
});
