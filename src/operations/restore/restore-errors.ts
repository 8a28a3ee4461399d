import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { byHand, type LeftToDo } from "./manual-commands.ts";

/** The error of a failed restore, or undo of one, with a successful rollback. */
export function rolledBack(cause: unknown, what: string): KeeperError {
  return new KeeperError(
    exitCodes.rolledBack,
    "rolled-back",
    `the ${what} failed; the previous state was restored and is running: ${describeError(cause)}`,
    { cause, class: "restore-failed" },
  );
}

/** The previous content is back in its place, but a container does not run as before. */
export class RestartError extends Error {}

/** A failed rollback, and what a person has to do. */
interface FailedUndo extends LeftToDo {
  /** The error that caused the rollback; undefined for an interrupted run. */
  readonly cause: unknown;
  readonly error: unknown;
  /** What failed; by default the restore. */
  readonly what?: string | undefined;
  /** The directory of the repository that contains the journal. */
  readonly repository: string;
}

/** The error of a failed rollback: its cause, the paths of the previous content, and the commands that finish it. */
export function undoFailed(failed: FailedUndo): KeeperError {
  const { cause, error, project, repository, asides, what = "restore" } = failed;
  const isBack = error instanceof RestartError;
  const result = isBack ? "restart-failed" : "rollback-failed";
  const first =
    cause === undefined
      ? `the ${what} was interrupted`
      : `the ${what} failed (${describeError(cause)})`;
  const second = isBack
    ? "the previous content is back in its place, but the stack does not run as before"
    : "the rollback failed";
  const paths = asides.flatMap(({ path }) => (path === undefined ? [] : [path]));
  const lies =
    paths.length === 0
      ? "The previous content is in its place."
      : `The previous content is in ${paths.join(", ")}; nothing was removed.`;
  return new KeeperError(
    exitCodes.needsPerson,
    result,
    `${first}, and ${second}: ${describeError(error)}`,
    {
      cause: cause ?? error,
      class: result,
      evidence: [`${lies} By hand, as root:`, ...byHand(failed)].join("\n"),
      hint:
        "nothing was removed: fix the cause and run " +
        `\`sophon-keeper recover --project-name ${project} --repository ${repository}\`, which also restores the restart policies`,
      facts: { setAside: paths },
    },
  );
}
