import { expect, it } from "vitest";
import { withNewestPins, withOwnPin } from "../../../scripts/pins.ts";
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

it("writes the newest commit wherever an action stands", () => {
  const texts = [use("actions/checkout", fresh, "v10.0.0"), use("actions/checkout", old, "v9.1.0")];
  const pins = texts.flatMap((text, at) => pinsIn(String(at), text));
  for (const text of texts) expect(withNewestPins(text, pins)).toBe(texts[0]);
  const other = use("other/action", old, "v9.1.0");
  expect(withNewestPins(other, [...pins, ...pinsIn("other", other)])).toBe(other);
});

it("pins this action to the commit of a release, and again to that of the next", () => {
  const page = `
    - uses: sophon-keeper/sophon-keeper@v0
    uses: sophon-keeper/sophon-keeper/.github/workflows/reusable-nightly.yml@v0
    - uses: actions/checkout@${old} # v6.0.2
`;
  const first = withOwnPin(page, fresh, "v0.1.0");
  expect(first).toBe(`
    - uses: sophon-keeper/sophon-keeper@${fresh} # v0.1.0
    uses: sophon-keeper/sophon-keeper/.github/workflows/reusable-nightly.yml@${fresh} # v0.1.0
    - uses: actions/checkout@${old} # v6.0.2
`);
  expect(withOwnPin(first, old, "v0.2.0")).toContain(
    `uses: sophon-keeper/sophon-keeper@${old} # v0.2.0\n`,
  );
});
