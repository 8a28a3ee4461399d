import { expect, it } from "vitest";
import { summaryMarkdown } from "../../../src/report/markdown.ts";
import { rolledBackUpgrade } from "./upgrade-result.ts";

it("keeps names from a host out of the markup", () => {
  const markdown = summaryMarkdown(
    {
      result: "damaged",
      seconds: 1,
      checks: [
        { name: "tar", component: "a|b", status: "fail", detail: "<img src=x>\nsecond line" },
      ],
      reason: { class: "x", message: "<b>bold</b>", evidence: "```\nnot the end" },
    },
    "verify",
  );
  expect(markdown).toContain("| ❌ | tar | a\\|b | &lt;img src=x&gt; second line |");
  expect(markdown).toContain("**&lt;b&gt;bold&lt;/b&gt;**");
  expect(markdown).toContain("````text\n```\nnot the end\n````");
});

it("loads no picture, hides no link and begins no title with names from a host", () => {
  const hostile =
    "![x](https://evil/x.png) [click](https://evil) **bold** _i_\n# title\n- item `code`";
  const markdown = summaryMarkdown(
    {
      result: "damaged",
      seconds: 1,
      checks: [{ name: `**${hostile}`, component: hostile, status: "fail", detail: hostile }],
      components: [{ name: "a", store: "tree", bytes: 1, summary: `**${hostile}**` }],
      warnings: [hostile, "# title", "run `sophon-keeper recover`"],
      unknown: [hostile],
      services: [{ service: hostile, from: hostile, fromDigest: "", to: hostile, toDigest: "" }],
      lastLines: { [hostile]: ["x"] },
      reason: { class: "x", message: hostile, hint: hostile },
    },
    "verify",
  );
  const plain = markdown.replaceAll(/\\./g, "");
  expect(plain).not.toMatch(/!?\[.*?\]\(/);
  expect(plain).not.toContain("**bold");
  expect(plain).not.toMatch(/^(- )?# title/m);
  expect(markdown).toContain("- run `sophon-keeper recover`");
});

it("tells what retention kept and removed", () => {
  const markdown = summaryMarkdown(
    {
      result: "backed-up",
      seconds: 1,
      kept: ["a", "b"],
      removed: ["c"],
    },
    "backup",
  );
  expect(markdown).toContain("**Retention**: 2 kept, removed `c`");
});

it.each([
  [null, "Backup made: 2.9 GiB, 2 kept"],
  ["sophon-20261129T030000Z-0002", "Backup made: 2.9 GiB, 2 kept, also off this host"],
  [
    "sophon-20261129T000000Z-0001",
    "Backup made: 2.9 GiB, 2 kept, newest copy off this host 3 h old",
  ],
])("says in one sentence what a backup is worth: newest off the host %s", (newest, sentence) => {
  const markdown = summaryMarkdown(
    {
      result: "backed-up",
      ...{ seconds: 1, backupId: "sophon-20261129T030000Z-0002", bytes: 3.1e9, kept: ["a", "b"] },
      offHost: newest === null ? null : { backupId: newest, createdAt: "", remotes: [] },
      trend: { nights: 7, dataChange: 0.14, slowness: 3 },
    },
    "backup",
  );
  const [first, , facts] = markdown.split("\n");
  expect(first).toBe(`## ✅ Sophon Keeper: ${sentence}`);
  expect(facts).toContain("+14 % data, 3.0× slower than usual (last 7 backups)");
  expect(facts).not.toContain("GiB");
});

it("tells an upgrade with its verdict first, its images, phases and the downtime among them", () => {
  const markdown = summaryMarkdown(rolledBackUpgrade, "upgrade-test");
  expect(markdown.split("\n")[0]).toBe(
    "## ❌ Sophon Keeper: Upgrade failed; the old version is running on its own data (verified)",
  );
  expect(markdown).toContain("downtime 9.4 s");
  expect(markdown).toContain(
    "| sophon-gateway | buildersoftdev/sophon:1.2.0 | sha256:000000000000 | buildersoftdev/sophon:1.3.0 | sha256:111111111111 |",
  );
  const rows = markdown.split("\n").filter((line) => /█|▓/.test(line));
  const names = rows.map((line) => line.split("|")[1]?.trim());
  expect(names.slice(4, 7)).toEqual(["quiesce", "**downtime**", "apply"]);
  expect(markdown).toContain("Last lines of sophon-sophon-gateway-1");
});
