import { expect, it } from "vitest";
import type { Component } from "../../../src/model/manifest.ts";
import type { BackedUpStore } from "../../../src/operations/fill/backed-up-store.ts";
import { chosenStores, partOf } from "../../../src/operations/restore/store-mounts.ts";

const component = (name: string, details: Component["details"]) => ({ name, details }) as Component;

const stores: BackedUpStore[] = [
  {
    ...{ name: "db", kind: "postgres", service: "db" },
    components: [
      component("db-sophon", { role: "database", database: "sophon" }),
      component("db-a_b", { role: "database", database: "a/b" }),
      component("db-globals", { role: "globals" }),
    ],
  },
  {
    ...{ name: "qdrant", kind: "qdrant", service: "qdrant" },
    components: [component("qdrant-docs", { collection: "docs" })],
  },
  {
    ...{ name: "data", kind: "data", service: "gateway" },
    components: [component("data", {})],
  },
];

const names = (word: string) => partOf(stores, word)?.map(({ name }) => name);

it("a database or collection is chosen by the kind, the service or the name of its store", () => {
  expect(names("postgres/sophon")).toEqual(["db-sophon"]);
  expect(names("db/a/b")).toEqual(["db-a_b"]);
  expect(names("qdrant/docs")).toEqual(["qdrant-docs"]);
  expect(names("postgres")).toBeUndefined();
});

it("what is not there is refused with what is", () => {
  expect(() => partOf(stores, "postgres/sofon")).toThrow("only: postgres has no sofon");
  expect(() => partOf(stores, "mysql/x")).toThrow("only: the backup has no store mysql");
  expect(() => partOf(stores, "data/config")).toThrow("only: data has no config");
  try {
    partOf(stores, "postgres/sofon");
  } catch (error) {
    expect((error as { hint?: string }).hint).toBe("it has sophon, a/b");
  }
});

it("into the running stack only whole stores are restored", () => {
  expect(() => chosenStores(stores, ["postgres/sophon"])).toThrow(
    "only: postgres/sophon is restored into a directory only",
  );
});
