// @module-tag exhaustive

import { expect, it } from "vitest";
import { createStack } from "../lab/stack.ts";
import { backedUp, succeed } from "./support/restored.ts";

it("snapshots that somebody keeps on the Qdrant server are still there after a restore, and none of ours", async () => {
  await using stack = await createStack({ tier: "pro", name: "rq" });
  const on = await backedUp(stack);
  const headers = { "api-key": String(stack.env.QDRANT_API_KEY) };
  const ask = async (method: string, path: string) => {
    const answer = await fetch(`${stack.qdrantUrl}${path}`, { method, headers });
    return ((await answer.json()) as { result: never }).result;
  };
  const { collections } = (await ask("GET", "/collections")) as {
    collections: { name: string }[];
  };
  const kept = async () => {
    const all = collections.map(({ name }) => ask("GET", `/collections/${name}/snapshots`));
    const names = (await Promise.all(all)).flat() as { name: string }[];
    return names.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1));
  };
  for (const { name } of collections) {
    await ask("POST", `/collections/${name}/snapshots?wait=true`);
  }
  const before = await kept();
  expect(before).toHaveLength(collections.length);
  await succeed(on, "backed-up", "backup");
  expect(await kept()).toEqual(before);
  await succeed(on, "restored", "restore", "--only", "qdrant");
  expect(await kept()).toEqual(before);
});
