import { basename } from "node:path";
import { describeError } from "../core/errors.ts";
import type { CommentState } from "../model/rehearsal.ts";
import type { Result, ResultName } from "../model/result.ts";
import type { Options } from "../options/parse.ts";
import { commentBody, commentMarker } from "../report/comment.ts";
import { githubAccess } from "./github-api.ts";
import { placeComment } from "./github-comments.ts";
import { pullRequestOf } from "./pull-request.ts";

/** What commenting needs from the step. */
interface CommentContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly payload: unknown;
  readonly now: Date;
  /** Tells that there is no comment, and why. */
  readonly notice: (text: string) => void;
}

/** After these there is nothing to tell a reviewer. */
const silent: readonly ResultName[] = ["error", "cancelled", "locked"];

/**
 * Comments on the pull request of the run and adds what became of it to the result. A comment that cannot be written is
 * a notice: the result stays the same.
 *
 * @param result - the masked result of a rehearsal
 */
export async function commented(
  result: Result,
  options: Options,
  context: CommentContext,
): Promise<Result> {
  const placed = await place(result, options, context);
  if (result.rehearsal === undefined) return result;
  return { ...result, rehearsal: { ...result.rehearsal, comment: placed } };
}

async function place(
  result: Result,
  options: Options,
  { environment, payload, now, notice }: CommentContext,
): Promise<{ readonly state: CommentState; readonly url?: string }> {
  const { comment, githubToken: token } = options;
  if (comment === "off" || silent.includes(result.result)) return { state: "off" };
  const pull = pullRequestOf(payload, environment.GITHUB_SHA ?? "");
  if (pull === undefined) return { state: "no-pull-request" };
  try {
    if (token === undefined) throw new Error("there is no github-token");
    const project = projectOf(options);
    const auto = pull.isPrivate ? "full" : "verdict";
    const facts = {
      ...{ project, head: pull.head, at: now, runUrl: runUrlOf(environment) },
      detail: comment === "auto" ? auto : comment,
    };
    return await placeComment(
      githubAccess(environment, token),
      pull.number,
      commentMarker(project),
      (before) => commentBody(result, { ...facts, before }),
    );
  } catch (error) {
    notice(`no comment on pull request ${pull.number}: ${describeError(error)}`);
    return { state: "failed" };
  }
}

/** The name must be the same in every run, whatever comes of it. */
function projectOf({ projectName, repository, projectDirectory }: Options): string {
  return projectName ?? basename(repository ?? projectDirectory ?? "stack");
}

function runUrlOf(environment: CommentContext["environment"]): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID } = environment;
  if (GITHUB_SERVER_URL === undefined || GITHUB_RUN_ID === undefined) return undefined;
  return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}`;
}
