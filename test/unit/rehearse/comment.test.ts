import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pullRequestOf } from "../../../src/action/pull-request.ts";
import { commented } from "../../../src/action/rehearsal-comment.ts";
import type { Result } from "../../../src/model/result.ts";
import { parseOptions } from "../../../src/options/parse.ts";
import { commentBody, commentMarker } from "../../../src/report/comment.ts";
import { summaryMarkdown } from "../../../src/report/markdown.ts";
import { inert, inlineCode } from "../../../src/report/rehearsal-markdown.ts";
import { resultText } from "../../../src/report/text.ts";

const result: Result = {
  ...{ result: "passed", seconds: 61, from: { web: "a:1" }, to: { web: "a:2" } },
  checks: [{ name: "counts after", component: "data", status: "pass", detail: "same" }],
  rehearsal: {
    ...{ source: "app-1", backupAgeSeconds: 3600, control: { healthySeconds: 5 } },
    upgrade: {
      ...{ healthySeconds: 6, secondStartSeconds: 4, migrationSeconds: 2 },
      migrations: [{ database: "data/app.db", id: "2_Split" }],
    },
    schema: [
      {
        ...{ database: "data/app.db", added: ["Parts"], changed: [] },
        dropped: [{ what: "column", name: "Users.Nick", values: 3 }],
      },
    ],
    rows: [],
    rollBack: { seconds: 7, inPlace: "fails" },
    prediction: {
      ...{ downtimeSeconds: 8, low: 6, high: 10, gateTimeoutSeconds: 120, basis: ["a", "b"] },
    },
  },
};
const commentLimit = 60_000;
const facts: Parameters<typeof commentBody>[1] = {
  project: "app",
  detail: "full",
  head: "0123456789abcdef",
  runUrl: "https://x/runs/1",
  at: new Date("2026-11-20T10:00:00Z"),
  before: undefined,
};

describe("the comment of a rehearsal", () => {
  it("answers the reviewer's questions in their order, as the summary and the terminal do", () => {
    for (const text of [
      commentBody(result, facts),
      summaryMarkdown(result, "upgrade-test"),
      resultText(result),
    ]) {
      const places = [
        "On your data",
        "Rollback",
        "Downtime",
        "Dropped",
        "Migrations",
        "Schema",
      ].map((title) => text.indexOf(title));
      expect(places.every((at) => at >= 0)).toBe(true);
      expect(places).toEqual(places.toSorted((a, b) => a - b));
      expect(text).toMatch(/Users\.Nick.* with 3 values/);
    }
  });

  it("tells verdict and times only where it is asked to", () => {
    const why = { class: "migration", message: "secret table", evidence: "line" };
    const body = commentBody(
      { ...result, result: "failed", reason: why },
      { ...facts, detail: "verdict" },
    );
    expect(body).toContain("`migration`");
    expect(body).not.toMatch(/secret table|Users|line|Details/);
  });

  it("keeps the last five heads, and nothing else of an edited comment", () => {
    let before: string | undefined;
    for (let at = 0; at < 7; at += 1) {
      before = commentBody(result, { ...facts, before, head: `${at}`.repeat(12) });
      before = before.replace("</details>", "- `abc` @everyone, look\n</details>");
    }
    const heads = (before ?? "").split("\n").filter((line) => /^- `\d{12}`/.test(line));
    expect(heads).toHaveLength(5);
    expect(heads[0]).toContain("666666666666");
    expect(commentBody(result, { ...facts, before })).not.toContain("@everyone");
  });

  it("has no mention, link or markup of what an image or a log says", () => {
    const hostile = "@team #1 [x](https://evil) <img src=x> `` ` `` www.evil.com https://evil";
    const body = commentBody(
      {
        ...result,
        to: { [hostile]: hostile },
        reason: { class: hostile, message: hostile, evidence: hostile, hint: hostile },
      },
      facts,
    );
    // Nothing of it is left once the code is taken away.
    const outside = body.replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, "");
    expect(outside).not.toMatch(/@team|#1|\]\(https:\/\/evil|<img|www\.evil|https:\/\/evil/);
    expect(inert("a @b #3 *c* <i>")).toBe("a @&#8203;b #&#8203;3 \\*c\\* &lt;i&gt;");
    expect(inlineCode("a`b")).toBe("``a`b``");
    expect(inlineCode("``")).toBe("``` `` ```");
  });

  it("is never too long", () => {
    const checks = Array.from({ length: 700 }, (_, at) => ({
      ...{ name: `${at}`, status: "fail", detail: "x".repeat(100) },
    })) as Result["checks"];
    const long = commentBody({ ...result, ...(checks === undefined ? {} : { checks }) }, facts);
    expect(long.length).toBeLessThanOrEqual(commentLimit);
    expect(long).toContain("[Whole report](https://x/runs/1)");
    const evidence = "y".repeat(70_000);
    const reason = { class: "a", message: "b", evidence };
    expect(commentBody({ ...result, reason }, facts).length).toBeLessThanOrEqual(commentLimit);
  });
});

it("finds the pull request of a run, and only where there is one", () => {
  const repository = { private: true };
  expect(
    pullRequestOf({ pull_request: { number: 1, head: { sha: "a" } }, repository }, "b"),
  ).toEqual({ number: 1, head: "a", isPrivate: true });
  const run = { workflow_run: { head_sha: "c", pull_requests: [{ number: 2 }] } };
  expect(pullRequestOf(run, "b")).toEqual({ number: 2, head: "c", isPrivate: false });
  expect(pullRequestOf({ issue: { number: 3, pull_request: {} } }, "b")?.number).toBe(3);
  for (const none of [undefined, {}, { issue: { number: 4 } }, { merge_group: {} }]) {
    expect(pullRequestOf(none, "b")).toBeUndefined();
  }
});

describe("against a server", () => {
  interface Stored {
    id: number;
    body: string;
    html_url: string;
    user: { login: string };
  }
  let comments: Stored[] = [];
  let forbidden = false;
  let url = "";
  let notices: string[] = [];
  const server = createServer((asked, answer) => void serve(asked, answer));

  async function serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const send = (status: number, value: unknown) => {
      answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    const { pathname, searchParams } = new URL(asked.url ?? "", "http://x");
    if (asked.headers.authorization !== "Bearer token-of-the-job") return send(401, {});
    if (pathname === "/graphql")
      return send(200, { data: { viewer: { login: "github-actions[bot]" } } });
    if (forbidden) return send(403, { message: "Resource not accessible by integration" });
    if (asked.method === "GET" && pathname === "/repos/o/r/issues/7/comments") {
      const [size, page] = [Number(searchParams.get("per_page")), Number(searchParams.get("page"))];
      if (!(size >= 1 && size <= 100 && page >= 1)) return send(422, { message: "paging" });
      return send(200, comments.slice((page - 1) * size, page * size));
    }
    const { body } = (await json(asked)) as { body?: unknown };
    if (typeof body !== "string" || body === "") return send(422, { message: "body" });
    if (body.length > 65_536) return send(422, { message: "body is too long" });
    if (asked.method === "POST" && pathname === "/repos/o/r/issues/7/comments") {
      const id = comments.length + 1;
      const made = {
        id,
        body,
        html_url: `https://x/${id}`,
        user: { login: "github-actions[bot]" },
      };
      comments.push(made);
      return send(201, made);
    }
    const id = Number(/^\/repos\/o\/r\/issues\/comments\/(\d+)$/.exec(pathname)?.[1]);
    const found = comments.find((one) => one.id === id);
    if (asked.method !== "PATCH" || found === undefined) return send(404, { message: "Not Found" });
    found.body = body;
    return send(200, found);
  }

  beforeEach(async () => {
    [comments, forbidden, notices] = [[], false, []];
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const run = async (of: Result = result, more: Record<string, string> = {}) => {
    const raw = {
      target: "rehearsal",
      "project-name": "app",
      "github-token": "token-of-the-job",
      ...more,
    };
    const options = parseOptions("upgrade-test", raw, { workingDirectory: "/", home: undefined });
    const environment = {
      GITHUB_API_URL: url,
      GITHUB_REPOSITORY: "o/r",
      GITHUB_SHA: "a".repeat(40),
    };
    const payload = { pull_request: { number: 7 }, repository: { private: true } };
    const notice = (text: string) => void notices.push(text);
    return await commented(of, options, { environment, payload, now: new Date(0), notice });
  };
  const foreign = (id: number, body: string): Stored => ({
    ...{ id, body, html_url: `https://x/${id}`, user: { login: "somebody" } },
  });

  it("makes one comment, and changes it in the second run", async () => {
    expect((await run()).rehearsal?.comment).toEqual({ state: "created", url: "https://x/1" });
    expect((await run({ ...result, result: "failed" })).rehearsal?.comment?.state).toBe("updated");
    expect(comments).toHaveLength(1);
    expect(comments[0]?.body).toContain("does not work on a copy of your data");
  });

  it("finds its own among more than a page of others, and leaves a forged one alone", async () => {
    const forged = `${commentMarker("app")}\nforged`;
    comments = Array.from({ length: 145 }, (_, at) => foreign(at + 1, at === 3 ? forged : "hello"));
    await run();
    expect(comments).toHaveLength(146);
    comments.push(...Array.from({ length: 20 }, (_, at) => foreign(at + 200, "more")));
    await run({ ...result, result: "failed" });
    expect(comments).toHaveLength(166);
    expect(comments[3]?.body).toBe(forged);
    expect(comments[145]?.body).toContain("does not work");
  });

  it("does not take the comment of another project for its own", async () => {
    await run();
    await run(result, { "project-name": "app-2" });
    expect(comments).toHaveLength(2);
  });

  it("is a notice, and the result the same, if the token may not write or the server is down", async () => {
    forbidden = true;
    const denied = await run();
    expect(denied).toMatchObject({ result: "passed", rehearsal: { comment: { state: "failed" } } });
    expect(notices).toEqual([expect.stringMatching(/pull request 7: GET .* 403 Resource not acc/)]);
    url = "http://127.0.0.1:1";
    expect(await run()).toMatchObject({
      result: "passed",
      rehearsal: { comment: { state: "failed" } },
    });
    expect(notices.at(-1)).toMatch(/no answer/);
  });

  it("is off where it is asked to be, and after a cancellation", async () => {
    expect((await run(result, { comment: "off" })).rehearsal?.comment?.state).toBe("off");
    await run({ ...result, result: "cancelled" });
    expect(comments).toEqual([]);
  });
});
