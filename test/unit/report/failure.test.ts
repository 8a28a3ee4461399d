import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodeOf, exitCodes } from "../../../src/core/errors.ts";
import { ExecError } from "../../../src/core/exec.ts";
import { failureResult } from "../../../src/report/failure.ts";

/** What the system itself throws. */
function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test.each(["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENOMEM"])(
  "%s names a way out and is no bug",
  (code) => {
    const error = Object.assign(new Error(`${code}: open '/x'`), { code });
    const result = failureResult(error, 1);
    expect(exitCodeOf[result.result]).toBe(exitCodes.refused);
    expect(result.reason).toMatchObject({ class: "host", message: `${code}: open '/x'` });
    expect(result.reason?.hint).toMatch(/\w/);
  },
);

test("a helper that is killed, and an error of the host that is a cause, are no bugs", () => {
  const ended = { command: "docker run", exitCode: 137, signal: null, timedOut: false };
  const killed = new ExecError({ ...ended, stderr: "", stdout: "" });
  const full = Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
  for (const cause of [killed, full]) {
    const result = failureResult(new Error("the helper container ended", { cause }), 1);
    expect(result).toMatchObject({ result: "refused", reason: { class: "host" } });
    expect(result.reason?.message).toMatch(/^the helper container ended: /);
  }
});

test("in the middle of work an error of the host is no refusal: something may be changed", () => {
  const error = Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
  expect(failureResult(error, 1, undefined, false).result).toBe("error");
});

test("a program's own mistake stays a bug with its stack", () => {
  const result = failureResult(
    thrownBy(() => readFileSync("")),
    1,
  );
  expect(result.result).toBe("error");
  expect(result.reason?.evidence).toContain("at ");
});
