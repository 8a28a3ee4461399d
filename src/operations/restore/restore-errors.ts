import { describeError, exitCodes, KeeperError } from "../../core/errors.ts";
import { byHand, type LeftToDo } from "./manual-commands.ts";

/** A restore that failed, and whose undo went well. */
export function rolledBack(cause: unknown): KeeperError {
  return new KeeperError(
    exitCodes.rolledBack,
    "rolled-back",
    `the restore failed, and what was there before is back and runs: ${describeError(cause)}`,
    { cause, class: "restore-failed" },
  );
}

/** All content of before is back in its place, and a container does not run as it did. */
export class RestartError extends Error {}

/** An undo that failed, and what it leaves to a person. */
interface FailedUndo extends LeftToDo {
  /** Why there was anything to undo; undefined for a run that was cut off. */
  readonly cause: unknown;
  readonly error: unknown;
  /** The directory of the repository that has the journal. */
  readonly repository: string;
}

/** A restore whose undo failed: what stands in the way, where everything lies, and the commands that finish it. */
export function undoFailed(failed: FailedUndo): KeeperError {
  const { cause, error, project, repository, asides } = failed;
  const isBack = error instanceof RestartError;
  const result = isBack ? "restart-failed" : "rollback-failed";
  const first =
    cause === undefined
      ? "the restore was cut off"
      : `the restore failed (${describeError(cause)})`;
  const second = isBack
    ? "what was there before is back in its place, but does not run"
    : "what was there before could not be put back";
  const paths = asides.flatMap(({ path }) => (path === undefined ? [] : [path]));
  const lies =
    paths.length === 0
      ? "The content of before is in its place."
      : `The content of before lies in ${paths.join(", ")}; nothing of it was removed.`;
  return new KeeperError(
    exitCodes.needsPerson,
    result,
    `${first}, and ${second}: ${describeError(error)}`,
    {
      cause: cause ?? error,
      class: result,
      evidence: [`${lies} By hand, as root:`, ...byHand(failed)].join("\n"),
      hint:
        "nothing was removed: mend what is named and run " +
        `\`sophon-keeper recover --project-name ${project} --repository ${repository}\`, which puts the restart policies back, too`,
      facts: { setAside: paths },
    },
  );
}
