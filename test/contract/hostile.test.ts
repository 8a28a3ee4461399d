import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { kinds } from "../hostile/kinds.ts";
import { openWorkshop, type Workshop } from "../hostile/try-kind.ts";
import { exhaustive } from "../lab/matrix.ts";

// `npm run hostile` tries all of it by hand. Each kind is a cell; a few rows of each are tried in every run.

// Some kinds have hundreds of rows, each a program of its own.
vi.setConfig({ testTimeout: 600_000 });

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
});
afterAll(() => workshop[Symbol.asyncDispose]());

it("some of the hostile and unlucky inputs are all met as they must be", async () => {
  const rows = kinds.filter(({ missing }) => missing?.() === undefined).map(({ rows }) => rows[0]);
  expect(await workshop.tryRows(rows.filter((row) => row !== undefined))).toEqual([]);
});

it.for(kinds)(
  "hostile and unlucky inputs are met as they must be: $name",
  exhaustive,
  async ({ missing, rows }, { skip }) => {
    const why = missing?.();
    if (why !== undefined) skip(why);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    expect(await workshop.tryRows(rows)).toEqual([]);
  },
);
