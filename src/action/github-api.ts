import { describeError } from "../core/errors.ts";

/** How to reach the API of GitHub for one repository. */
export interface GithubAccess {
  /** Such as `https://api.github.com`. */
  readonly apiUrl: string;
  readonly graphqlUrl: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly token: string;
}

/** An answer of the API that is a refusal. */
export class GithubError extends Error {
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

const answerMs = 15_000;

/** The API as the runner describes it. */
export function githubAccess(
  environment: Readonly<Record<string, string | undefined>>,
  token: string,
): GithubAccess {
  const { GITHUB_API_URL, GITHUB_GRAPHQL_URL, GITHUB_REPOSITORY: repository = "" } = environment;
  const apiUrl = GITHUB_API_URL ?? "https://api.github.com";
  return { apiUrl, graphqlUrl: GITHUB_GRAPHQL_URL ?? `${apiUrl}/graphql`, repository, token };
}

/**
 * Asks the GraphQL API.
 *
 * @returns the data, empty if the answer is only an error of the query
 * @throws as {@link request}.
 */
export async function askGraphql(
  access: GithubAccess,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Promise<object> {
  const { value } = await send(access, "POST", access.graphqlUrl, { query, variables });
  return (value as { readonly data?: object | null }).data ?? {};
}

/**
 * Asks the API for what is at `path`.
 *
 * @throws GithubError for a refusal; Error that names the request, if there is no answer.
 */
export async function request(
  access: GithubAccess,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
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
