import { describeError } from "../core/errors.ts";

/** How to reach the API of GitHub for one repository. */
interface GithubAccess {
  /** Such as `https://api.github.com`. */
  readonly apiUrl: string;
  readonly graphqlUrl: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly token: string;
}

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

/** An answer of the API that is a refusal. */
class GithubError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface Answer {
  readonly value: unknown;
  /** Whether there is another page; undefined if the server does not tell. */
  readonly hasNext: boolean | undefined;
}

const pageSize = 100;
/** A pull request with more comments than this is not searched to its end. */
const mostPages = 100;
const answerMs = 15_000;

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
    const query = "query { viewer { login } }";
    const { value } = await send(access, "POST", access.graphqlUrl, { query });
    const answer = value as { readonly data?: { readonly viewer?: { readonly login?: string } } };
    return answer.data?.viewer?.login ?? jobAuthor;
  } catch {
    return jobAuthor;
  }
}

async function request(access: GithubAccess, method: string, path: string, body?: unknown) {
  return await send(access, method, `${access.apiUrl}${path}`, body);
}

async function send(
  { token }: GithubAccess,
  method: string,
  url: string,
  body?: unknown,
): Promise<Answer> {
  const what = `${method} ${new URL(url).pathname}`;
  let answer: Response;
  try {
    answer = await fetch(url, {
      method,
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token}`,
        "user-agent": "sophon-keeper",
        "x-github-api-version": "2022-11-28",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error",
      signal: AbortSignal.timeout(answerMs),
    });
  } catch (cause) {
    throw new Error(`${what}: no answer: ${describeError(cause)}`, { cause });
  }
  if (answer.ok) {
    const hasNext = answer.headers.get("link")?.includes('rel="next"');
    return { value: await answer.json(), hasNext };
  }
  const { message = "" } = (await answer.json().catch(() => ({}))) as { message?: string };
  throw new GithubError(answer.status, `${what}: ${answer.status} ${message}`.trim());
}
