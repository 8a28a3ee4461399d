// @module-tag exhaustive
import { expect, it } from "vitest";
import { createStack } from "../lab/stack.ts";
import { killedAtLine } from "./support/killed.ts";
import { backedUp, ready, succeed } from "./support/restored.ts";

/** A stack with two databases and two collections that were backed up and have changed since; one collection is gone. */
async function changedStack(name: string) {
  const stack = await createStack({ tier: "pro", name });
  const on = await backedUp(stack);
  const sql = async (database: string, text: string) => {
    const psql = ["exec", "-T", "postgres", "psql", "-U", "sophon", "-At", "-d", database];
    return (await stack.compose([...psql, "-c", text])).trim();
  };
  const headers = { "api-key": String(stack.env.QDRANT_API_KEY) };
  const ask = async (method: string, path: string) => {
    const answer = await fetch(`${stack.qdrantUrl}${path}`, { method, headers });
    return ((await answer.json()) as { result: never }).result;
  };
  const collections = async () => {
    const { collections: all } = (await ask("GET", "/collections")) as {
      collections: { name: string }[];
    };
    return all.map(({ name: one }) => one).toSorted((a, b) => (a < b ? -1 : 1));
  };
  const marks = async () =>
    await Promise.all(["sophon", "other"].map((one) => sql(one, "select word from marks")));
  await sql("sophon", "create database other");
  for (const database of ["sophon", "other"]) {
    await sql(database, "create table marks (word text)");
    await sql(database, "insert into marks values ('saved')");
  }
  const all = await collections();
  const [lost = ""] = all;
  await succeed(on, "backed-up", "backup");
  for (const database of ["sophon", "other"])
    await sql(database, "update marks set word = 'newer'");
  await ask("DELETE", `/collections/${lost}`);
  const only = ["--only", `postgres/sophon,qdrant/${lost}`];
  return { stack, on, sql, marks, collections, all, left: all.slice(1), only };
}

it("one database and one collection are restored in place, others go on, and undo puts them back", async () => {
  const { stack, on, sql, marks, collections, all, left, only } = await changedStack("parts");
  await using _ = stack;
  await succeed(on, "restored", "restore", ...only);
  await ready(stack);
  expect(await marks()).toEqual(["saved", "newer"]);
  expect(await collections()).toEqual(all);
  await succeed(on, "restored", "undo");
  await ready(stack);
  expect(await marks()).toEqual(["newer", "newer"]);
  expect(await collections()).toEqual(left);

  // A database that somebody dropped comes back with what the backup knows of it.
  await sql("sophon", "drop database other");
  await succeed(on, "restored", "restore", "--only", "postgres/other");
  await ready(stack);
  expect(await marks()).toEqual(["newer", "saved"]);
});

it.each(["set-aside", "replace-database", "start"])(
  "a restore of one database and one collection that is killed at %s is undone by recover",
  async (wanted) => {
    const { stack, on, marks, collections, left, only } = await changedStack("parts-kill");
    await using _ = stack;
    const restore = on.arguments("restore", ...only);
    let step: string | undefined = "";
    for (let line = 2; step !== wanted; line++) {
      step = await killedAtLine(line, restore, on.repository);
      expect(step, `no line tells ${wanted}`).not.toBeUndefined();
      await succeed(on, "recovered", "recover");
    }
    await ready(stack);
    expect(await marks()).toEqual(["newer", "newer"]);
    expect(await collections()).toEqual(left);
  },
);
