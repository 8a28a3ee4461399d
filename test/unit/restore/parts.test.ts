import { expect, it } from "vitest";
import type { Component } from "../../../src/model/manifest.ts";
import type { BackedUpStore } from "../../../src/operations/fill/backed-up-store.ts";
import { chosenInPlace } from "../../../src/operations/restore/chosen-parts.ts";
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

it("into the running stack, parts of a server are restored beside whole stores", () => {
  const chosen = (...words: string[]) =>
    chosenInPlace(stores, words).map(({ name, components, isPart = false }) => [
      ...[name, isPart],
      ...components.map((one) => one.name),
    ]);
  expect(chosen("postgres/sophon", "data", "postgres/a/b", "qdrant/docs")).toEqual([
    ["data", false, "data"],
    ["db", true, "db-sophon", "db-a_b"],
    ["qdrant", true, "qdrant-docs"],
  ]);
  // All of it is more than a part of it.
  expect(chosen("postgres/sophon", "db")).toEqual([
    ["db", false, "db-sophon", "db-a_b", "db-globals"],
  ]);
  expect(chosen()).toHaveLength(3);
});

it("a database of that name in two servers is refused with the words that tell them apart", () => {
  const [first] = stores;
  const second = {
    ...(first as BackedUpStore),
    ...{ name: "other", service: "other" },
    components: [component("other-sophon", { role: "database", database: "sophon" })],
  };
  expect(() => chosenInPlace([...stores, second], ["postgres/sophon"])).toThrow(
    "only: postgres/sophon is in db and in other",
  );
  const [part] = chosenInPlace([...stores, second], ["other/sophon"]);
  expect(part?.components.map(({ name }) => name)).toEqual(["other-sophon"]);
});

it("from a manual backup only whole stores are restored", () => {
  expect(() => chosenStores(stores, ["postgres/sophon"])).toThrow(
    "only: the backup has no store postgres/sophon; it has db",
  );
});

it("says what a store without parts takes instead", () => {
  expect(() => partOf(stores, "data/documents")).toThrow(
    expect.objectContaining({ hint: expect.stringContaining("for files give path") }),
  );
  expect(() => chosenStores(stores, ["postgres/"])).toThrow("has no store postgres/");
});
