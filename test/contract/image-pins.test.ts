import { writeFileSync } from "node:fs";
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
    const main = join(root.path, "compose.yaml");
    writeFileSync(main, `name: pins\nservices:\n${services}`);
    writeFileSync(join(root.path, "base.yaml"), base);
    const engine = { environment: {} } as Engine;
    const project = {
      ...{
        project: "pins",
        directory: root.path,
        composeFiles: [main],
        envFiles: [],
        profiles: [],
      },
    };
    const compose = createCompose(engine, project);
    const model = await compose.config();
    const context = {
      ...{ engine, project, model, included: [], pin: "file" as const },
      ...{ work: join(root.path, "work"), repository: root.path },
    };
    const { edits } = await planPins(context, { app: "vendor/app:2" }, "new");
    applyEdits(edits);
    const app = { ...model.services.app, image: "vendor/app:2" };
    const wanted = { ...model, services: { ...model.services, app } };
    expect(await compose.config()).toEqual(wanted);
  },
);
