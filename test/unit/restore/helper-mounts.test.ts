import { expect, it } from "vitest";
import type { TaskPlace } from "../../../src/core/task.ts";
import { mountsForAll } from "../../../src/stores/tree/restore.ts";

const at = (path: string, volume?: string): TaskPlace => ({
  mounts: [{ path, readOnly: false, ...(volume === undefined ? {} : { volume }) }],
});

it("one helper replaces several trees", () => {
  const targets = ["/srv/data", "/srv/database", "/mnt/v"];
  expect(mountsForAll(targets, [at("/srv"), at("/srv"), at("/mnt/v", "v")])).toEqual([
    { path: "/srv", readOnly: false },
    { path: "/srv", readOnly: false },
    { path: "/mnt/v", readOnly: false, volume: "v" },
  ]);
});

it.each(["/srv/data", "/srv/data/inner"])(
  "but not if %s would be mounted for another one",
  (inner) => {
    const targets = ["/srv/data", `${inner}/x`];
    expect(mountsForAll(targets, [at("/srv"), at(inner)])).toEqual([]);
  },
);
