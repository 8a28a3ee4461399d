/** The parts of the workflow event that tell which pull request a run is about. */
interface EventPayload {
  readonly pull_request?: { readonly number?: number; readonly head?: { readonly sha?: string } };
  readonly workflow_run?: {
    readonly head_sha?: string;
    readonly pull_requests?: readonly { readonly number?: number }[];
  };
  readonly issue?: { readonly number?: number; readonly pull_request?: unknown };
  readonly repository?: { readonly private?: boolean };
}

/** A pull request of the repository in which the workflow runs. */
interface PullRequest {
  readonly number: number;
  /** The commit that was rehearsed. */
  readonly head: string;
  readonly isPrivate: boolean;
}

/**
 * The pull request of a run; undefined for a run of no pull request, such as a push or a merge group.
 *
 * @param payload - the parsed event file; `undefined` if there is none
 * @param sha - the commit that the runner tells, for an event that tells none
 */
export function pullRequestOf(payload: unknown, sha: string): PullRequest | undefined {
  const event = (payload ?? {}) as EventPayload;
  const { pull_request: pull, workflow_run: run, issue, repository } = event;
  const isPrivate = repository?.private === true;
  if (pull?.number !== undefined) {
    return { number: pull.number, head: pull.head?.sha ?? sha, isPrivate };
  }
  const [first] = run?.pull_requests ?? [];
  if (first?.number !== undefined) {
    return { number: first.number, head: run?.head_sha ?? sha, isPrivate };
  }
  if (issue?.number !== undefined && issue.pull_request !== undefined) {
    return { number: issue.number, head: sha, isPrivate };
  }
  return undefined;
}
