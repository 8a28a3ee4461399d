import { describe, expect, it } from "vitest";
import { pullRequestOf } from "../../../src/action/pull-request.ts";
import type { Result } from "../../../src/model/result.ts";
import { commentBody } from "../../../src/report/comment.ts";
import { summaryMarkdown } from "../../../src/report/markdown.ts";
import { pageHtml } from "../../../src/report/page.ts";
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

const ofCandidates: Result = {
  ...{ result: "failed", seconds: 99 },
  reason: { class: "crash", message: "1 of 2 candidates work (a:2); a:3|@x: it ended" },
  rehearsal: {
    ...{ source: "app-1", backupAgeSeconds: 60, control: { healthySeconds: 5 } },
    candidates: [
      {
        ...{ service: "web", reference: "a:2", result: "passed", seconds: 40 },
        ...{ upgrade: result.rehearsal?.upgrade, schema: result.rehearsal?.schema ?? [] },
        ...{ rollBack: { seconds: 7, inPlace: "fails" } },
        ...{ prediction: result.rehearsal?.prediction },
      } as NonNullable<NonNullable<Result["rehearsal"]>["candidates"]>[number],
      {
        ...{ service: "web", reference: "a:3|@x", result: "failed", seconds: 20 },
        reason: { class: "crash", message: "it ended" },
      },
    ],
  },
};

describe("the table of candidates", () => {
  it("stands in the summary, in either comment and in the page, once each", () => {
    const comments = (["full", "verdict"] as const).map((detail) =>
      commentBody(ofCandidates, { ...facts, detail }),
    );
    for (const text of [summaryMarkdown(ofCandidates, "upgrade-test"), ...comments]) {
      const rows = text.split("\n").filter((line) => /^\| `a:/.test(line));
      expect(rows).toEqual([
        "| `a:2` | passed | 8.0 s (6.0 s to 10.0 s) | 1 | 3 values | fails |",
        "| `a:3\\|@x` | failed `crash` |  |  |  |  |",
      ]);
    }
    const about = { version: "1", command: "upgrade-test", at: facts.at, host: "h", stack: "app" };
    const page = pageHtml(ofCandidates, about);
    expect(page).toMatch(/<code>a:2<\/code>[\s\S]*passed[\s\S]*<code>a:3\|@x<\/code>[\s\S]*failed/);
  });

  it("is a line for each candidate in the terminal", () => {
    const text = resultText(ofCandidates);
    expect(text).toMatch(/a:2: passed, downtime 8\.0 s .*, migrations 1, dropped 3 values/);
    expect(text).toMatch(/a:3\|@x: failed crash$/m);
  });
});

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

  it("tells what the backup does not tell", () => {
    const unknown = ["which images it is of"];
    expect(commentBody({ ...result, unknown }, facts)).toMatch(
      /Not known[\s\S]*`which images it is of`/,
    );
  });

  it("tells first, and not folded, what is lost", () => {
    const [head = ""] = commentBody(result, facts).split("<details>");
    expect(head).toContain("column `Users.Nick` of `data/app.db` with 3 values");
    const verdict = commentBody(result, { ...facts, detail: "verdict" });
    expect(verdict).not.toContain("Nick");
    const dropped = Array.from({ length: 9 }, (_, at) => ({
      ...({ what: "table", name: `T${at}`, values: at } as const),
    }));
    const schema = [{ database: "app", added: [], changed: [], dropped }];
    const many = { ...result, rehearsal: { ...result.rehearsal, schema } } as Result;
    const [told = ""] = commentBody(many, facts).split("<details>");
    expect(told).toContain("`T4` of `app` with 4 rows; and 4 more");
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
