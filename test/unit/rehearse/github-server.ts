import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { onLoopback, shutDown } from "../../lab/loopback-server.ts";

type Schema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

/** What a token may do, and whose it is. */
interface Token {
  readonly login: string;
  readonly issues: "none" | "read" | "write";
}

/** A comment as the server keeps it. */
export interface KeptComment {
  readonly id: number;
  readonly login: string;
  body: string;
}

const directory = join(import.meta.dirname, "../../fixtures/github");
const { paths } = JSON.parse(readFileSync(join(directory, "api.json"), "utf8")) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

/** Payloads of webhooks, by event. */
export const events = JSON.parse(readFileSync(join(directory, "events.json"), "utf8")) as Readonly<
  Record<"pull_request" | "merge_group" | "workflow_run" | "issue_comment", object>
>;

const ajv = new Ajv({ strict: false, coerceTypes: false });
const coercing = new Ajv({ strict: false, coerceTypes: true });
addFormats.default(ajv);
addFormats.default(coercing);

/** GitHub's limit of a comment's body, in characters. */
const bodyLimit = 65_536;

/**
 * The comments of one pull request as GitHub serves them: every request and every answer is validated by GitHub's own
 * description, with pages, permissions, authors and the limit of a body.
 */
export class GithubServer implements AsyncDisposable {
  /** What was wrong with requests or with this server's own answers. */
  readonly violations: string[] = [];
  readonly requests: string[] = [];
  readonly comments: KeptComment[] = [];
  readonly tokens = new Map<string, Token>([
    ["token-of-the-job", { login: "github-actions[bot]", issues: "write" }],
  ]);
  /** The most that one page has; GitHub has 100. */
  mostPerPage = 100;
  /** Whether the pull request is of a fork; GitHub has no answer for a token that may not see it. */
  isOfFork: boolean | undefined = false;
  /** A user token may ask who it is, one of a job may not. */
  tellsViewer: boolean = true;
  #afterList: (() => void) | undefined;
  readonly #server = createServer((asked, answer) => void this.#serve(asked, answer));

  async start(): Promise<string> {
    return await onLoopback(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await shutDown(this.#server);
  }

  add(login: string, body: string): KeptComment {
    const kept = { id: 1000 + this.comments.length, login, body };
    this.comments.push(kept);
    return kept;
  }

  /** Removes every comment once the next list was sent. */
  removeWhenListed(): { readonly done: boolean } {
    const state = { done: false };
    this.#afterList = () => {
      this.comments.splice(0);
      state.done = true;
    };
    return state;
  }

  async #serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const method = (asked.method ?? "").toLowerCase();
    const url = new URL(asked.url ?? "", "http://x");
    this.requests.push(`${method} ${url.pathname}${url.search}`);
    const send = (status: number, value: unknown, headers: Record<string, string> = {}) => {
      const all = { "content-type": "application/json; charset=utf-8", ...headers };
      answer.writeHead(status, all).end(JSON.stringify(value));
    };
    const body = await text(asked);
    if (!asked.headers["user-agent"]) return send(403, { message: "no User-Agent" });
    const token = this.tokens.get((asked.headers.authorization ?? "").replace(/^Bearer /, ""));
    if (token === undefined) return send(401, { message: "Bad credentials" });
    if (url.pathname === "/graphql") {
      const { query, variables } = JSON.parse(body) as {
        readonly query: string;
        readonly variables: Readonly<Record<string, unknown>>;
      };
      if (query.includes("pullRequest(")) {
        const isOurs = isDeepStrictEqual(variables, { owner: "o", name: "r", number: 7 });
        const seen = isOurs && this.isOfFork !== undefined;
        const pullRequest = seen ? { isCrossRepository: this.isOfFork } : null;
        return send(200, { data: { repository: { pullRequest } } });
      }
      const viewer = { data: { viewer: { login: token.login } } };
      return send(200, this.tellsViewer ? viewer : { errors: [{ type: "FORBIDDEN" }] });
    }
    const found = operationOf(method, url.pathname);
    if (found === undefined) {
      this.violations.push(`${method} ${url.pathname} is in no description`);
      return send(404, { message: "Not Found" });
    }
    const { operation, values } = found;
    const wrong = [
      ...wrongParameters(operation, values, url.searchParams),
      ...wrongBody(operation, body, asked.headers["content-type"]),
    ];
    if (asked.headers["x-github-api-version"] !== "2022-11-28") wrong.push("no known version");
    this.violations.push(...wrong.map((one) => `${operation.operationId}: ${one}`));
    if (wrong.length > 0) return send(422, { message: wrong.join("; ") });
    const needed = method === "get" ? ["read", "write"] : ["write"];
    if (!needed.includes(token.issues)) {
      return send(403, { message: "Resource not accessible by integration" });
    }
    const { status, value, headers } = this.#act(operation, { values, url, body, token });
    const schema = operation.responses[status]?.content?.["application/json"]?.schema;
    if (status < 300 && (schema === undefined || !ajv.validate(schema, value))) {
      this.violations.push(`answer of ${operation.operationId}: ${ajv.errorsText()}`);
    }
    send(status, value, headers);
  }

  #act(
    { operationId }: Operation,
    given: {
      readonly values: Readonly<Record<string, string | undefined>>;
      readonly url: URL;
      readonly body: string;
      readonly token: Token;
    },
  ): { status: number; value: unknown; headers?: Record<string, string> } {
    const { values, url, token } = given;
    if (values.owner !== "o" || values.repo !== "r" || (values.issue_number ?? "7") !== "7") {
      return { status: 404, value: { message: "Not Found" } };
    }
    if (operationId === "issues/list-comments") {
      const page = this.#page(url);
      this.#afterList?.();
      this.#afterList = undefined;
      return page;
    }
    const { body } = JSON.parse(given.body) as { body: string };
    // GitHub counts characters, not bytes.
    if (body.length > bodyLimit) {
      return { status: 422, value: { message: "Validation Failed: body is too long" } };
    }
    if (operationId === "issues/create-comment") {
      return { status: 201, value: shown(this.add(token.login, body)) };
    }
    const found = this.comments.find(({ id }) => `${id}` === values.comment_id);
    if (found === undefined) return { status: 404, value: { message: "Not Found" } };
    found.body = body;
    return { status: 200, value: shown(found) };
  }

  #page({ searchParams, pathname }: URL) {
    const size = Math.min(this.mostPerPage, Number(searchParams.get("per_page") ?? 30));
    const page = Number(searchParams.get("page") ?? 1);
    const value = this.comments.slice((page - 1) * size, page * size).map(shown);
    const next = `<http://x${pathname}?per_page=${size}&page=${page + 1}>; rel="next"`;
    const headers: Record<string, string> =
      page * size < this.comments.length ? { link: next } : {};
    return { status: 200, value, headers };
  }
}

function operationOf(method: string, pathname: string) {
  for (const [path, operations] of Object.entries(paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, "([^/]+)")}$`);
    const match = pattern.exec(pathname);
    const operation = operations[method];
    if (match === null || operation === undefined) continue;
    const values = Object.fromEntries(
      names.map((name, at) => [name, decodeURIComponent(match[at + 1] ?? "")]),
    );
    return { operation, values };
  }
  return undefined;
}

function wrongParameters(
  { parameters = [] }: Operation,
  values: Readonly<Record<string, string | undefined>>,
  query: URLSearchParams,
): string[] {
  const known = new Set(parameters.flatMap((one) => (one.in === "query" ? [one.name] : [])));
  const unknown = [...query.keys()].filter((name) => !known.has(name));
  const bad = parameters.filter(({ name, in: place, required = false, schema }) => {
    const value = place === "query" ? query.get(name) : values[name];
    if (value === null || value === undefined) return required;
    const wrapped = { type: "object", properties: { value: schema }, required: ["value"] };
    return !coercing.validate(wrapped, { value });
  });
  const outside = Number(query.get("per_page") ?? 1) > 100 ? ["per_page is over 100"] : [];
  return [
    ...unknown.map((name) => `${name} is no parameter`),
    ...bad.map(({ name }) => `${name} is missing or wrong`),
    ...outside,
  ];
}

function wrongBody({ requestBody }: Operation, body: string, type: string | undefined): string[] {
  const schema = requestBody?.content["application/json"]?.schema;
  if (schema === undefined) return body === "" ? [] : ["no body is expected"];
  if (type?.startsWith("application/json") !== true) return ["the content type is not JSON"];
  try {
    const strict = { ...schema, additionalProperties: false };
    return ajv.validate(strict, JSON.parse(body)) ? [] : [ajv.errorsText()];
  } catch {
    return ["the body is not JSON"];
  }
}

function shown({ id, login, body }: KeptComment): object {
  const at = "2026-11-20T10:00:00Z";
  const [api, web] = ["https://api.github.com", "https://github.com"];
  const name = encodeURIComponent(login);
  const links = Object.fromEntries(
    "followers following gists starred subscriptions organizations repos events received_events"
      .split(" ")
      .map((one) => [`${one}_url`, `${api}/users/${name}/${one}`]),
  );
  const user = {
    ...{ login, id: 1, node_id: "U_1", avatar_url: `${web}/a.png`, gravatar_id: "" },
    ...{ url: `${api}/users/${name}`, html_url: `${web}/${name}`, ...links },
    ...{ type: login.endsWith("[bot]") ? "Bot" : "User", site_admin: false },
  };
  return {
    ...{ id, node_id: `IC_${id}`, body, user, created_at: at, updated_at: at },
    url: `${api}/repos/o/r/issues/comments/${id}`,
    html_url: `${web}/o/r/pull/7#issuecomment-${id}`,
    issue_url: `${api}/repos/o/r/issues/7`,
    author_association: "NONE",
    performed_via_github_app: null,
  };
}
