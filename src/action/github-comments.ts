import { askGraphql, type GithubAccess, GithubError, request } from "./github-api.ts";

/** A comment on an issue or a pull request. */
interface IssueComment {
  readonly id: number;
  readonly body?: string | null;
  readonly html_url: string;
  readonly user?: { readonly login?: string } | null;
}

/** What became of a comment. */
interface PlacedComment {
  readonly state: "created" | "updated";
  readonly url: string;
}

const pageSize = 100;
/** A pull request with more comments than this is not searched to its end. */
const mostPages = 100;

/** The author of what a job's own token writes. */
const jobAuthor = "github-actions[bot]";

/**
 * Writes a comment, or changes the one that this token's own author wrote before: the first on all pages that begins
 * with the marker. A comment of another author with the same marker is a forgery and is left alone.
 *
 * @param bodyOf - makes the new text from the text before
 * @throws Error that names the request and its answer, or why there was none.
 */
export async function placeComment(
  access: GithubAccess,
  issue: number,
  marker: string,
  bodyOf: (before: string | undefined) => string,
): Promise<PlacedComment> {
  const author = await authorOf(access);
  const own = await findOwn(access, issue, marker, author);
  const body = bodyOf(own?.body ?? undefined);
  const issues = `/repos/${access.repository}/issues`;
  if (own !== undefined) {
    try {
      const { value } = await request(access, "PATCH", `${issues}/comments/${own.id}`, { body });
      return { state: "updated", url: (value as IssueComment).html_url };
    } catch (error) {
      if (!(error instanceof GithubError) || error.status !== 404) throw error;
      // Somebody removed it after it was listed.
    }
  }
  const { value } = await request(access, "POST", `${issues}/${issue}/comments`, { body });
  return { state: "created", url: (value as IssueComment).html_url };
}

async function findOwn(
  access: GithubAccess,
  issue: number,
  marker: string,
  author: string,
): Promise<IssueComment | undefined> {
  for (let page = 1; page <= mostPages; page += 1) {
    const path = `/repos/${access.repository}/issues/${issue}/comments?per_page=${pageSize}&page=${page}`;
    const { value, hasNext } = await request(access, "GET", path);
    const comments = value as readonly IssueComment[];
    const own = comments.find(
      ({ body, user }) => body?.startsWith(marker) === true && isAuthor(user?.login, author),
    );
    if (own !== undefined) return own;
    // A server may put fewer on a page than it was asked for.
    if (!(hasNext ?? comments.length === pageSize)) return undefined;
  }
  return undefined;
}

/** The API names an app with or without its suffix, depending on where it is asked. */
function isAuthor(login: string | undefined, author: string): boolean {
  return login === author || login === `${author}[bot]`;
}

/** Whose token it is. A token that may not ask is the job's own. */
async function authorOf(access: GithubAccess): Promise<string> {
  try {
    const data = await askGraphql(access, "query { viewer { login } }");
    return (data as { readonly viewer?: { readonly login?: string } }).viewer?.login ?? jobAuthor;
  } catch {
    return jobAuthor;
  }
}
