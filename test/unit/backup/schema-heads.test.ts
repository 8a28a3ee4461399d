import { expect, it } from "vitest";
import type { Component } from "../../../src/model/manifest.ts";
import { schemaHeads } from "../../../src/operations/backup/manifest-facts.ts";
import { compareHeads } from "../../../src/operations/fill/compare.ts";
import { byDatabase } from "../../../src/stores/ef-migrations.ts";

const [old, young] = ["20260101000000_First", "20260301000000_Third"];

const component = (name: string, service: string | undefined, heads: Record<string, string>) =>
  ({
    ...{ name, store: service === undefined ? "volume" : "postgres" },
    ...(service === undefined ? {} : { service }),
    details: { schemaHeads: heads },
  }) as unknown as Component;

const history = (...ids: string[]) => [{ name: "__EFMigrationsHistory", ids }];

it("two servers with a database of the same name have a head each", () => {
  const heads = schemaHeads([
    component("postgres-app", "shop", { app: old }),
    component("postgres-app-2", "crm", { app: young, own: old }),
    component("volume-a", undefined, { "data/app.db": old }),
  ]);
  expect(heads).toEqual({ "shop/app": old, "crm/app": young, own: old, "data/app.db": old });
  const found = byDatabase([
    ["shop", { app: history(old) }],
    ["crm", { app: history(old, young), own: history(old) }],
    ["volume-a", { "data/app.db": history(old) }],
  ]);
  expect(compareHeads("head", heads, found).map(({ status }) => status)).toEqual([
    "pass",
    "pass",
    "pass",
    "pass",
  ]);
  const swapped = { ...found, "shop/app": history(old, young), "crm/app": history(old) };
  expect(
    compareHeads("head", heads, swapped).filter(({ status }) => status === "fail"),
  ).toHaveLength(2);
});

it("the one head that an earlier version recorded for both is still found", () => {
  const found = byDatabase([
    ["shop", { app: history(old) }],
    ["crm", { app: history(old, young) }],
  ]);
  expect(compareHeads("head", { app: young }, found)).toMatchObject([{ status: "pass" }]);
  expect(compareHeads("head", { app: "20260401000000_Lost" }, found)).toMatchObject([
    { status: "fail" },
  ]);
});
