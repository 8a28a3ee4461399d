import { afterEach, beforeEach, expect, it } from "vitest";
import { requireOwnPullRequest } from "../../../src/action/own-pull-request.ts";
import { GithubServer } from "../rehearse/github-server.ts";

let server: GithubServer;
let url = "";
beforeEach(async () => {
  server = new GithubServer();
  url = await server.start();
});
afterEach(() => server[Symbol.asyncDispose]());

const token = "token-of-the-job";

function guard(number: unknown = 7, given: string | undefined = token, name = "issue_comment") {
  const payload = { issue: { number, pull_request: {} }, comment: { author_association: "OWNER" } };
  const environment = { GITHUB_API_URL: url, GITHUB_REPOSITORY: "o/r" };
  return requireOwnPullRequest({ name, repository: "o/r", payload }, environment, given);
}

it("lets a comment on a pull request of this repository pass, and asks for no other event", async () => {
  await guard();
  expect(server.requests).toEqual(["post /graphql"]);
  await guard(7, undefined, "push");
  expect(server.requests).toHaveLength(1);
});

it("refuses a comment on a pull request of a fork", async () => {
  server.isOfFork = true;
  await expect(guard()).rejects.toMatchObject({ class: "fork", result: "refused" });
});

it.each<[string, () => Promise<void>]>([
  ["GitHub does not show it to this token", () => guard(8)],
  ["the token is not valid", () => guard(7, "another")],
  ["there is no token", () => guard(7, "")],
  ["the event names no number", () => guard("7; drop")],
])("refuses what it cannot know: %s", async (_title, ask) => {
  await expect(ask()).rejects.toMatchObject({ class: "event", result: "refused" });
});

it("refuses while GitHub does not answer, and says what the job needs", async () => {
  url = "http://127.0.0.1:1";
  await expect(guard()).rejects.toThrow(/no answer.*pull-requests: read/);
});
