import { expect, it } from "vitest";
import { summaryMarkdown } from "../../../src/report/markdown.ts";

it("keeps names from a host out of the markup", () => {
  const markdown = summaryMarkdown({
    result: "damaged",
    seconds: 1,
    checks: [{ name: "tar", component: "a|b", status: "fail", detail: "<img src=x>\nsecond line" }],
    reason: { class: "x", message: "<b>bold</b>", evidence: "```\nnot the end" },
  });
  expect(markdown).toContain("| ❌ | tar | a\\|b | &lt;img src=x&gt; second line |");
  expect(markdown).toContain("**&lt;b&gt;bold&lt;/b&gt;**");
  expect(markdown).toContain("````text\n```\nnot the end\n````");
});

it("tells what retention kept and removed", () => {
  const markdown = summaryMarkdown({
    result: "backed-up",
    seconds: 1,
    kept: ["a", "b"],
    removed: ["c"],
  });
  expect(markdown).toContain("**Retention**: 2 kept, removed `c`");
});
