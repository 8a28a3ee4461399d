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

  const filed = (text: string) => ({ path: "/p/compose.yml", kind: "compose" as const, text });
  const shared = "x-base: &base\n  image: vendor/app:1 # here\nservices:\n";

  it.each([
    [
      "a block that merges an anchor",
      `${shared}  app:\n    <<: *base\n    init: true\n`,
      `${shared}  app:\n    image: "vendor/app:2"\n    <<: *base\n    init: true\n`,
    ],
    [
      "a flow that merges an anchor",
      `${shared}  app: {<<: *base, init: true}\n`,
      `${shared}  app: { image: "vendor/app:2",<<: *base, init: true}\n`,
    ],
    [
      "an anchor alone",
      `${shared}  app: *base\n`,
      `${shared}  app: { <<: *base, image: "vendor/app:2" }\n`,
    ],
    [
      "extends, with a comment before it",
      "services:\n  app:\n    # from there\n    extends: { file: base.yml, service: app }\n",
      'services:\n  app:\n    # from there\n    image: "vendor/app:2"\n    extends: { file: base.yml, service: app }\n',
    ],
    ["an empty flow", "services: { app: {} }\n", 'services: { app: { image: "vendor/app:2" } }\n'],
    [
      "an image by an anchor",
      "x-i: &i vendor/app:1\nservices:\n  app: { image: *i }\n",
      'x-i: &i vendor/app:1\nservices:\n  app: { image: "vendor/app:2" }\n',
    ],
  ])("gives a service its own line: %s", (_, before, after) => {
    const edits = imageEdits([filed(before), env("")], "app", "vendor/app:2");
    expect(edits.map(({ text }) => text)).toContain(after);
  });

  it("gives it in the last file that has the service", () => {
    const first = filed(`${shared}  app:\n    <<: *base\n`);
    const last = { ...filed("services:\n  app:\n    init: true\n"), path: "/p/more.yml" };
    const other = { ...filed("services:\n  web:\n    init: true\n"), path: "/p/other.yml" };
    expect(imageEdits([first, last, other], "app", "vendor/app:2")).toEqual([
      { ...last, text: 'services:\n  app:\n    image: "vendor/app:2"\n    init: true\n' },
    ]);
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
