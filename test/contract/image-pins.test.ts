import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../src/core/temp.ts";
import { applyEdits, planPins } from "../../src/operations/live-stack/image-pins.ts";
import { createCompose } from "../../src/stack/compose.ts";
import type { Engine } from "../../src/stack/engine.ts";

const base = "services: { root: { image: vendor/app:1, init: true } }\n";

it.each([
  ["extends it", "  app: { image: vendor/app:1 }\n  two: { extends: { service: app } }\n"],
  [
    "extends what extends another file",
    "  app: { extends: { file: base.yaml, service: root } }\n  two: { extends: { service: app } }\n",
  ],
  [
    "has it from its anchor, and another one from that",
    "  app: &app { image: vendor/app:1 }\n  two: &two\n    <<: *app\n    init: true\n  three: { extends: { service: two } }\n",
  ],
])(
  "a service keeps its image that %s, when only the other one is upgraded",
  async (_name, services) => {
    await using root = await temporaryDirectory("sophon-keeper-pins-");
    const { context, compose } = await stackIn(root.path, services);
    const { model } = context;
    const { edits } = await planPins(context, { app: "vendor/app:2" }, "new");
    applyEdits(edits);
    const app = { ...model.services.app, image: "vendor/app:2" };
    const wanted = { ...model, services: { ...model.services, app } };
    expect(await compose.config()).toEqual(wanted);
  },
);

it("services that share a variable get their images by one line of the env file, which stays the place for them", async () => {
  await using root = await temporaryDirectory("sophon-keeper-pins-");
  const names = ["app", "worker", "migrate"];
  const services = names.map((name) => `  ${name}: { image: "vendor/\${KIND:-app}:\${TAG}" }\n`);
  const env = join(root.path, ".env");
  writeFileSync(env, "TAG=1\n");
  const { context, compose } = await stackIn(root.path, services.join(""));
  const wanted = Object.fromEntries(names.map((name) => [name, "vendor/app:2"]));
  const { edits } = await planPins(context, wanted, "new");
  applyEdits(edits);
  expect(edits.map(({ path }) => path)).toEqual([env]);
  expect(readFileSync(env, "utf8")).toBe("TAG=2\n");
  const { services: after } = await compose.config();
  expect(names.map((name) => after[name]?.image)).toEqual(Object.values(wanted));
  // Two of them only: the third keeps its image, wherever that is written.
  const now = { ...context, model: await compose.config() };
  const { app: _, ...two } = Object.fromEntries(names.map((name) => [name, "vendor/app:3"]));
  applyEdits((await planPins(now, two, "new")).edits);
  const { services: last } = await compose.config();
  expect(names.map((name) => last[name]?.image)).toEqual([
    ...["vendor/app:2", "vendor/app:3", "vendor/app:3"],
  ]);
});

/** A project of these services, and how its images are written. */
async function stackIn(directory: string, services: string) {
  const main = join(directory, "compose.yaml");
  writeFileSync(main, `name: pins\nservices:\n${services}`);
  writeFileSync(join(directory, "base.yaml"), base);
  const engine = { environment: {} } as Engine;
  const project = {
    ...{ project: "pins", directory, composeFiles: [main], envFiles: [], profiles: [] },
  };
  const compose = createCompose(engine, project);
  const context = {
    ...{ engine, project, model: await compose.config(), included: [], pin: "file" as const },
    ...{ work: join(directory, "work"), repository: directory },
  };
  return { context, compose };
}
