import { describe, expect, it } from "vitest";
import { UndoStack } from "../../../src/core/undo.ts";

/** A stack whose undos note that they ran. */
function noting() {
  const ran: string[] = [];
  return { ran, step: (name: string) => [name, () => ran.push(name)] as const };
}

describe("a part of an undo stack", () => {
  it("is undone with the whole, in its place", async () => {
    const { ran, step } = noting();
    const undo = new UndoStack();
    undo.add(...step("first"));
    const part = undo.part();
    undo.add(...step("last"));
    part.add(...step("inner 1"));
    part.add(...step("inner 2"));
    expect(await undo.unwind()).toEqual([]);
    expect(ran).toEqual(["last", "inner 2", "inner 1", "first"]);
  });

  it("that is committed is forgotten, and nothing else is", async () => {
    const { ran, step } = noting();
    const undo = new UndoStack();
    undo.add(...step("whole"));
    const part = undo.part();
    part.add(...step("inner"));
    part.commit();
    await undo.unwind();
    expect(ran).toEqual(["whole"]);
  });

  it("tells what could not be undone beside what the whole could not", async () => {
    const fail = (name: string) => () => {
      throw new Error(name);
    };
    const undo = new UndoStack();
    undo.add("whole", fail("a"));
    undo.part().add("inner", fail("b"));
    const failed = await undo.unwind();
    expect(failed.map(({ name }) => name)).toEqual(["inner", "whole"]);
  });
});
