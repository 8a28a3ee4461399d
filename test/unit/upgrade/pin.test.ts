import { describe, expect, it } from "vitest";
import { imageEdits } from "../../../src/operations/live-stack/pin-edits.ts";
import { downtime } from "../../../src/operations/upgrade/downtime.ts";

const compose = (image: string) => ({
  path: "/p/compose.yml",
  kind: "compose" as const,
  text: `services:\n  # the app\n  app:\n    image: ${image} # pinned\n    restart: always\n`,
});
const env = (text: string) => ({ path: "/p/.env", kind: "env" as const, text });

/** A variable as a compose file has it. */
const of = (inner: string) => `\${${inner}}`;

describe("the edits that pin an image", () => {
  it("replaces a literal and keeps every comment", () => {
    const [edit] = imageEdits([compose("vendor/app:1.0"), env("")], "app", "vendor/app:2.0");
    expect(edit?.text).toBe(compose('"vendor/app:2.0"').text);
  });

  it.each([
    [
      of("APP_IMAGE:-vendor/app:1.0"),
      "A=1\nAPP_IMAGE=x # why\n",
      "A=1\nAPP_IMAGE=vendor/app:2.0 # why\n",
    ],
    [`vendor/app:${of("TAG")}`, "TAG='1.0'", "TAG=2.0"],
    [`${of("REGISTRY")}/app:${of("TAG:-1")}`, "REGISTRY=vendor\n", "REGISTRY=vendor\nTAG=2.0\n"],
  ])("sets the variable of %s", (image, before, after) => {
    const edits = imageEdits([compose(image), env(before)], "app", "vendor/app:2.0");
    expect(edits.map(({ text }) => text)).toContain(after);
  });

  it("has none for a service without an image", () => {
    expect(imageEdits([compose("x")], "other", "y:1")).toEqual([]);
  });
});

describe("the downtime", () => {
  const at = (...good: boolean[]) => good.map((one, index) => ({ atMs: index * 500, good: one }));
  it("runs from the first failed probe to the first of the lasting good ones", () => {
    expect(downtime(at(true, true))?.seconds).toBe(0);
    expect(downtime(at(true, false, true, false, true, true))).toEqual({
      ...{ fromMs: 500, toMs: 2000, seconds: 1.5 },
    });
    expect(downtime(at(true, false))).toBeUndefined();
  });
});
