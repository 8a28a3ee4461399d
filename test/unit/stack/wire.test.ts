import { expect, test } from "vitest";
import { CancelledError, KeeperError, RefusedError } from "../../../src/core/errors.ts";
import { ExecError, run } from "../../../src/core/exec.ts";
import { packError, unpackError } from "../../../src/helper/wire.ts";

const travelled = (error: unknown) => unpackError(JSON.parse(JSON.stringify(packError(error))));

test("an error of ours is of its class again, with its hint and its causes", () => {
  const cause = new Error("inner", { cause: new TypeError("innermost") });
  const error = travelled(new RefusedError("no", { hint: "so", evidence: "e", class: "c", cause }));
  expect(error).toBeInstanceOf(RefusedError);
  expect(error).toMatchObject({
    message: "no",
    hint: "so",
    evidence: "e",
    class: "c",
    exitCode: 2,
  });
  expect((error.cause as Error).cause).toMatchObject({ name: "TypeError", message: "innermost" });
  expect(travelled(new CancelledError())).toBeInstanceOf(CancelledError);
  const other = travelled(new KeeperError(7, "rollback-failed", "bad"));
  expect(other).toBeInstanceOf(KeeperError);
  expect(other).toMatchObject({ exitCode: 7, result: "rollback-failed" });
});

test("the failure of a program keeps what it said", async () => {
  const failure = await run("sh", ["-c", "echo why >&2; exit 5"]).catch((e: unknown) => e);
  const error = travelled(failure);
  expect(error).toBeInstanceOf(ExecError);
  expect(error).toMatchObject({
    exitCode: 5,
    stderr: "why\n",
    message: (failure as Error).message,
  });
});

test("any other error keeps its code and its stack", () => {
  const error = travelled(Object.assign(new Error("gone"), { code: "ENOENT" }));
  expect(error).toMatchObject({ message: "gone", code: "ENOENT" });
  expect(error.stack).toContain("in a helper container");
  expect(travelled("thrown text").message).toBe("thrown text");
});
