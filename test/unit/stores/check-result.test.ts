import { describe, expect, it } from "vitest";
import { DamagedError, RefusedError, UnverifiableError } from "../../../src/core/errors.ts";
import { ExecError } from "../../../src/core/exec.ts";
import { failedCheck } from "../../../src/stores/check-result.ts";

const statusOf = (error: unknown) => failedCheck({ name: "tar" }, error).status;
const ended = (given: Partial<ExecError>) =>
  new ExecError({
    ...{ command: "tar", exitCode: 2, signal: null, timedOut: false, stderr: "", stdout: "" },
    ...(given as object),
  });
const errno = (code: string) => Object.assign(new Error(code), { code });
const sqlite = (errcode: number) =>
  Object.assign(new Error("sqlite"), { code: "ERR_SQLITE_ERROR", errcode });

describe("an error while a component is read", () => {
  it.each([
    new DamagedError("a flipped bit"),
    ended({ stderr: "tar: Unexpected EOF in archive" }),
    errno("ENOENT"),
    sqlite(11),
    sqlite(26),
    new Error("the rows of its last table have no end"),
    new Error("it cannot be read", { cause: sqlite(11) }),
    new Error("it cannot be unpacked", { cause: ended({ stderr: "tar: Unexpected EOF" }) }),
  ])("proves damage: %s", (error) => {
    expect(statusOf(error)).toBe("fail");
  });

  it.each([
    new UnverifiableError("no key"),
    new RefusedError("no engine"),
    ended({ exitCode: null }),
    ended({ exitCode: null, signal: "SIGKILL" }),
    ended({ timedOut: true }),
    ended({ exitCode: 125 }),
    ended({ exitCode: 126 }),
    ended({ exitCode: 127 }),
    ended({ exitCode: 137 }),
    ended({ stderr: "tar: x: Cannot write: No space left on device" }),
    ended({ stderr: "psql: error: server closed the connection unexpectedly" }),
    ended({ stderr: "psql: FATAL:  the database system is in recovery mode" }),
    ended({ stderr: "Error response from daemon: container c0ffee is not running" }),
    new Error("the helper container ended without a result", { cause: ended({ exitCode: 137 }) }),
    new Error("qdrant: not read", { cause: errno("ECONNRESET") }),
    ended({ stderr: "tar: x: Cannot open: Too many open files" }),
    ended({ stderr: "tar: x: Wrote only 512 of 10240 bytes: File too large" }),
    ...["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENFILE", "EROFS", "EACCES"].map(errno),
    ...["ENOMEM", "EAGAIN", "ESTALE", "EPIPE"].map(errno),
    ...[7, 8, 10, 13, 14, 10 | (1 << 8)].map(sqlite),
  ])("says nothing of the backup: %s", (error) => {
    expect(statusOf(error)).toBe("unverifiable");
  });
});
