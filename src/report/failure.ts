import {
  CancelledError,
  describeError,
  exitCodes,
  KeeperError,
  RefusedError,
} from "../core/errors.ts";
import { ExecError, isOfTheHost } from "../core/exec.ts";
import type { Reason, Result } from "../model/result.ts";

/**
 * The result of a command that threw.
 *
 * @param cancelledBy - the signal that ended the run, if any. Errors thrown while ending are then reported as `cancelled`,
 * except exit 6 and 7, which say that the host was changed.
 * @param isUndone - false if the process ends in the middle of its work: nothing can be said of the host then
 */
export function failureResult(
  error: unknown,
  seconds: number,
  cancelledBy?: string,
  isUndone = true,
): Result {
  const thrown = cancelledBy === undefined ? error : cancelled(error, cancelledBy);
  const told = isUndone ? ofTheHost(thrown) : thrown;
  if (!(told instanceof KeeperError)) {
    const stack = told instanceof Error ? told.stack : undefined;
    const reason = { class: "bug", ...oneLine(describeError(told), stack) };
    return { result: "error", seconds, reason };
  }
  const reason: Reason = {
    class: told.class,
    ...oneLine(told.message, told.evidence),
    ...(told.hint === undefined ? {} : { hint: told.hint }),
  };
  return { ...told.facts, result: told.result, seconds, reason };
}

/** What each error of the file system asks for; see errno(3). */
const hostHints: Readonly<Record<string, string>> = {
  EMFILE: "Raise the limit of open files: `ulimit -n 1024`.",
  ENFILE: "The host has no free file handles: end what holds too many, or raise fs.file-max.",
  ENOSPC: "Make room on that disk.",
  EDQUOT: "This user's disk quota is used up: raise it, or make room.",
  EFBIG: "A limit on the size of files is in force: see `ulimit -f`.",
  EROFS: "That file system is read-only: choose another place, or mount it writable.",
  EACCES: "Run as a user who may use that path.",
  EPERM: "Run as a user who may do that.",
  ENOMEM: "The host is out of memory.",
  EIO: "The disk cannot be read or written: see the log of the kernel (`dmesg`).",
  ESTALE: "The file system of that path went away: mount it again.",
  EBUSY: "Something else uses that path: end it.",
  EAGAIN: "A limit on processes is in force: see `ulimit -u`.",
  ENOTDIR: "A file is where a directory should be: name another path, or restore the directory.",
  EISDIR: "A directory is where a file should be: name another path, or move it away.",
  ELOOP: "A symbolic link leads to itself: repair it.",
  ENXIO: "That path is a socket or a device without a driver: name another path.",
  ENAMETOOLONG: "A path is longer than the system allows: choose a shorter one.",
};

/**
 * An error of the host that reaches the top is no bug of this program, and everything that was begun is undone. It may be
 * the cause of one that only adds to it.
 */
function ofTheHost(error: unknown, told = error): unknown {
  if (error instanceof KeeperError || !(error instanceof Error)) return told;
  const isProgram = error instanceof ExecError && isOfTheHost(error);
  const hint = isProgram
    ? "The program is missing, was killed, or had no room: nothing is known to be wrong with the data."
    : hostHints["code" in error ? String(error.code) : ""];
  if (hint === undefined) return ofTheHost(error.cause, told);
  return new RefusedError(describeError(told), { class: "host", hint, cause: told });
}

/** Reduces a message to its first line; the remaining lines become evidence. */
function oneLine(text: string, evidence?: string): Pick<Reason, "message" | "evidence"> {
  const [message = "", ...rest] = text.trim().split("\n");
  const all = [...rest, ...(evidence === undefined ? [] : [evidence])].join("\n").trim();
  return { message, ...(all === "" ? {} : { evidence: all }) };
}

function cancelled(error: unknown, signal: string): unknown {
  const { rolledBack, needsPerson, cancelled: already } = exitCodes;
  const final: readonly number[] = [rolledBack, needsPerson, already];
  if (error instanceof KeeperError && final.includes(error.exitCode)) return error;
  return new CancelledError(`cancelled by ${signal}; all changes were undone`, { cause: error });
}
