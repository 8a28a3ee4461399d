import { describeError, RefusedError } from "../core/errors.ts";
import { askGraphql, githubAccess } from "./github-api.ts";
import type { WorkflowEvent } from "./github-event.ts";

const query = `query ($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { isCrossRepository } }
}`;

interface PullAnswer {
  readonly repository?: {
    readonly pullRequest?: { readonly isCrossRepository?: unknown } | null;
  } | null;
}

/**
 * Refuses a comment on a pull request of a fork. The event of a comment does not tell where the pull request is from, so
 * GitHub is asked; without an answer it is refused, too. Other events pass.
 *
 * @throws RefusedError of class `fork` or `event`.
 */
export async function requireOwnPullRequest(
  { name, repository, payload }: WorkflowEvent,
  environment: Readonly<Record<string, string | undefined>>,
  token: string | undefined,
): Promise<void> {
  if (name !== "issue_comment") return;
  const { number } = (payload as { readonly issue?: { readonly number?: unknown } }).issue ?? {};
  const about = `the comment (issue_comment) on pull request ${String(number)}`;
  let isOfFork: unknown;
  let why = "GitHub does not tell";
  try {
    if (token === undefined || token === "") throw new Error("there is no github-token");
    const [owner, repo] = repository.split("/");
    const access = githubAccess(environment, token);
    const data = await askGraphql(access, query, { owner, name: repo, number });
    isOfFork = (data as PullAnswer).repository?.pullRequest?.isCrossRepository;
  } catch (error) {
    why = describeError(error);
  }
  if (isOfFork === false) return;
  if (isOfFork === true) {
    throw new RefusedError(
      `the action does not run for a pull request of a fork (${about}): start it by schedule, workflow_dispatch or push`,
      { class: "fork" },
    );
  }
  throw new RefusedError(
    `${about}: it is not known whether that is of this repository (${why}): give the job permissions: pull-requests: read`,
    { class: "event" },
  );
}
