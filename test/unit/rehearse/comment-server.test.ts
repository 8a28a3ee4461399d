import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commented } from "../../../src/action/rehearsal-comment.ts";
import type { Result } from "../../../src/model/result.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { commentMarker } from "../../../src/report/comment.ts";
import { events, GithubServer } from "./github-server.ts";

const passed: Result = {
  ...{ result: "passed", seconds: 61, from: { web: "a:1" }, to: { web: "a:2" } },
  rehearsal: { source: "app-1", backupAgeSeconds: 3600, rollBack: { seconds: 7 } },
};
const failed: Result = { ...passed, result: "failed" };
const marker = commentMarker("app");
const repository = { private: true };

let server: GithubServer;
let url = "";
let notices: string[] = [];
beforeEach(async () => {
  [server, notices] = [new GithubServer(), []];
  url = await server.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  expect(server.violations).toEqual([]);
});

async function comment(
  result: Result,
  more: Readonly<Record<string, string>> = {},
  payload: object = { pull_request: { number: 7 }, repository },
) {
  const raw = { target: "rehearsal", "project-name": "app", "github-token": "token-of-the-job" };
  const places = { workingDirectory: "/", home: undefined };
  const options = parseOptions("upgrade-test", { ...raw, ...more }, places);
  const environment = {
    GITHUB_API_URL: url,
    GITHUB_REPOSITORY: "o/r",
    GITHUB_SHA: "a".repeat(40),
  };
  const notice = (text: string) => void notices.push(text);
  const told = await commented(result, options, { environment, payload, now: new Date(0), notice });
  // Whatever becomes of the comment.
  expect(told.result).toBe(result.result);
  return told.rehearsal?.comment;
}

describe("a comment, every request of which GitHub's description allows,", () => {
  it("is one comment after two runs, changed in place", async () => {
    expect(await comment(passed)).toEqual({
      state: "created",
      url: "https://github.com/o/r/pull/7#issuecomment-1000",
    });
    expect((await comment(failed))?.state).toBe("updated");
    expect(server.comments).toMatchObject([{ login: "github-actions[bot]" }]);
    expect(server.comments[0]?.body).toContain("does not work on a copy of your data");
  });

  it.each([
    ["one page", 45, 100],
    ["the pages of a server that has fewer on one", 45, 20],
    ["two whole pages", 200, 100],
  ])("finds its own among foreign ones over %s", async (_title, foreign, mostPerPage) => {
    server.mostPerPage = mostPerPage;
    for (let at = 0; at < foreign; at += 1) server.add("somebody", "hello");
    await comment(passed);
    for (let at = 0; at < 45; at += 1) server.add("somebody", "more");
    expect((await comment(failed))?.state).toBe("updated");
    expect(server.comments).toHaveLength(foreign + 1 + 45);
    expect(server.comments.filter(({ login }) => login !== "somebody")).toHaveLength(1);
    expect(server.comments[foreign]?.body).toContain("does not work");
  });

  it("leaves a forged marker of another author alone, and one that is only quoted", async () => {
    const forged = server.add("mallory", `${marker}\nforged`);
    const quoted = server.add("github-actions[bot]", `> ${marker}\nanother tool`);
    const before = [forged.body, quoted.body];
    await comment(passed);
    expect((await comment(failed))?.state).toBe("updated");
    expect([forged.body, quoted.body]).toEqual(before);
    expect(server.comments).toHaveLength(3);
  });

  it("belongs to the one whose token it is, whether that may ask who it is or not", async () => {
    server.tokens.set("token-of-a-person", { login: "ann", issues: "write" });
    server.add("github-actions[bot]", `${marker}\nof the job`);
    expect((await comment(passed, { "github-token": "token-of-a-person" }))?.state).toBe("created");
    expect((await comment(passed, { "github-token": "token-of-a-person" }))?.state).toBe("updated");
    server.tellsViewer = false;
    expect((await comment(failed))?.state).toBe("updated");
    expect(server.comments.map(({ login }) => login)).toEqual(["github-actions[bot]", "ann"]);
    expect(server.comments[0]?.body).toContain("does not work");
  });

  it("of 70,000 characters is shortened", async () => {
    const checks = Array.from({ length: 700 }, (_, at) => ({
      ...({ name: `check ${at}`, status: "fail", detail: "x".repeat(100) } as const),
    }));
    expect((await comment({ ...failed, checks }))?.state).toBe("created");
    const evidence = "é".repeat(70_000);
    const reason = { class: "a", message: "b", evidence };
    expect((await comment({ ...failed, reason }))?.state).toBe("updated");
    expect(server.comments).toHaveLength(1);
  });

  it("of another project is another comment", async () => {
    await comment(passed);
    await comment(passed, { "project-name": "app-2" });
    await comment(passed, { "project-name": "app-2" });
    expect(server.comments).toHaveLength(2);
  });

  it("is written again if somebody removes it meanwhile", async () => {
    await comment(passed);
    const removing = server.removeWhenListed();
    expect((await comment(failed))?.state).toBe("created");
    expect(removing.done).toBe(true);
    expect(server.comments).toHaveLength(1);
  });

  it.each([
    ["may only read", "read", /pull request 7: POST .* 403 Resource not accessible by integration/],
    ["may nothing", "none", /pull request 7: GET .* 403 Resource not accessible by integration/],
  ] as const)("is a notice if the token %s", async (_title, issues, told) => {
    server.tokens.set("token-of-the-job", { login: "github-actions[bot]", issues });
    expect(await comment(passed)).toEqual({ state: "failed" });
    expect(notices).toEqual([expect.stringMatching(told)]);
    expect(server.comments).toEqual([]);
  });

  it("is a notice if the token is wrong, or the server is down", async () => {
    expect((await comment(passed, { "github-token": "expired" }))?.state).toBe("failed");
    expect(notices.at(-1)).toMatch(/401 Bad credentials/);
    url = "http://127.0.0.1:1";
    expect((await comment(passed))?.state).toBe("failed");
    expect(notices.at(-1)).toMatch(/no answer/);
  });

  it("is off where it is asked to be, and after a cancellation", async () => {
    expect((await comment(passed, { comment: "off" }))?.state).toBe("off");
    await comment({ ...passed, result: "cancelled" });
    expect(server.requests).toEqual([]);
  });
});

describe("the payloads that GitHub sends", () => {
  it.each(["pull_request", "workflow_run"] as const)("name the pull request: %s", async (event) => {
    await comment(passed, {}, events[event]);
    expect(server.requests.every((one) => /graphql|\/issues\/2\/comments/.test(one))).toBe(true);
    expect(server.requests.length).toBeGreaterThan(1);
  });

  it("name one in a comment only if it is on a pull request", async () => {
    const { issue } = events.issue_comment as { readonly issue: object };
    expect((await comment(passed, {}, events.issue_comment))?.state).toBe("no-pull-request");
    expect(server.requests).toEqual([]);
    await comment(passed, {}, { issue: { ...issue, pull_request: {} }, repository });
    expect(server.requests.some((one) => one.includes("/issues/1/comments"))).toBe(true);
  });

  it("name none in a merge group", async () => {
    expect((await comment(passed, {}, events.merge_group))?.state).toBe("no-pull-request");
    expect(server.requests).toEqual([]);
  });
});
