import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ensurePostgres15, storeImages } from "../lab/images.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { snapshot } from "../lab/snapshot.ts";
import { standIn } from "../lab/sophon.ts";
import { createStack } from "../lab/stack.ts";
import { backedUp, differences, ready, succeed } from "./support/restored.ts";
import { stateOf } from "./support/state.ts";

async function setImage(stack: LabStack, variable: string, image: string): Promise<void> {
  const path = join(stack.directory, ".env");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(new RegExp(`^${variable}=.*$`, "m"), `${variable}=${image}`));
}

async function moveTo(stack: LabStack, qdrant: string): Promise<void> {
  await setImage(stack, "QDRANT_IMAGE", await standIn("qdrant", qdrant));
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180"]);
}

cells(
  it,
  ["qdrant", "postgres"] as const,
  () => false,
)(
  "%s that cannot take the backup is told with the way out while everything still runs",
  async (service) => {
    await using stack = await createStack({ tier: "pro", name: "rv" });
    const on = await backedUp(stack);
    const before = await snapshot(stack);
    await succeed(on, "backed-up", "backup");
    const refused = async (reason: object) => {
      const states = await stateOf(stack);
      for (const dryRun of [["--dry-run"], []]) {
        const result = await succeed(on, "refused", "restore", "--keep-images", ...dryRun);
        expect(result.reason).toMatchObject(reason);
        expect(await stateOf(stack)).toEqual(states);
      }
    };
    if (service === "qdrant") {
      await moveTo(stack, "1.17.0");
      await refused({
        class: "qdrant-version",
        message: "qdrant: a snapshot of 1.17.1 does not restore into 1.17.0",
        hint: expect.stringMatching(/1[.]17.* patch 1 or newer.*keep-images/),
      });
      // What is not restored has no say.
      await succeed(on, "planned", "restore", "--keep-images", "--only", "data", "--dry-run");
    } else {
      await stack.compose(["down", "--volumes"]);
      await ensurePostgres15();
      await setImage(stack, "POSTGRES_IMAGE", storeImages.postgres15);
      await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180", "postgres"]);
      await stack.compose(["up", "--no-start"]);
      await refused({
        class: "postgres-major",
        message: expect.stringMatching(/is of PostgreSQL 17.*postgres runs 15/),
        hint: expect.stringContaining("empty volume"),
      });
    }
    // The backup's own images: nothing of the others stands in the way.
    await succeed(on, "restored", "restore");
    await ready(stack);
    expect(differences(before, await snapshot(stack))).toEqual([]);
  },
);

it("a server of a newer patch takes the backup with its own image", exhaustive, async () => {
  await using stack = await createStack({ tier: "pro", name: "rv-newer" });
  const on = await backedUp(stack);
  const before = await snapshot(stack);
  await succeed(on, "backed-up", "backup");
  await moveTo(stack, "1.17.2");
  await succeed(on, "restored", "restore", "--keep-images");
  await ready(stack);
  expect(differences(before, await snapshot(stack))).toEqual([]);
});
