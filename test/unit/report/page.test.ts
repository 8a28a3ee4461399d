import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Result } from "../../../src/model/result.ts";
import { pageHtml } from "../../../src/report/page.ts";
import { writePage } from "../../../src/report/page-file.ts";
import { rolledBackUpgrade } from "./upgrade-result.ts";

const facts = {
  version: "1.0.0",
  command: "upgrade-test",
  at: new Date(0),
  host: "nas",
  stack: "/srv/sophon",
};

it("says verdict, reason, images, phases, checks and last lines", () => {
  const html = pageHtml(rolledBackUpgrade, facts);
  for (const text of [
    '<h1 class="bad">',
    "Upgrade failed; the old version is running on its own data (verified)",
    "upgrade-test of /srv/sophon on nas",
    "Downtime: 9.4 s",
    "2 of 4 checks passed",
    "no such table: RouteTargets",
    "sha256:1111111111",
    "schema-conflict",
    '<tr class="down">',
    "Applying migration",
  ]) {
    expect(html).toContain(text);
  }
});

it("needs nothing from anywhere and runs nothing", () => {
  const html = pageHtml(rolledBackUpgrade, facts);
  expect(html).not.toMatch(/<(script|link|img|iframe)\b/i);
  expect(html).not.toMatch(/\b(src|href)\s*=|url\(|@import/i);
  expect(html).toContain("default-src 'none'");
});

it("keeps what comes from a log or a file name out of the markup", () => {
  const evil = `"><script>alert(1)</script>`;
  const result: Result = {
    ...{ result: "rolled-back", seconds: 1, backupId: evil, warnings: [evil], unknown: [evil] },
    reason: { class: evil, message: evil, evidence: evil, hint: evil },
    checks: [{ name: evil, component: evil, status: "fail", detail: evil }],
    components: [{ name: evil, store: evil, bytes: 1, summary: evil }],
    services: [{ service: evil, from: evil, fromDigest: evil, to: evil, toDigest: evil }],
    timeline: {
      phases: [
        { phase: evil, fromSeconds: 0, seconds: 1 },
        { phase: evil, fromSeconds: 1, seconds: 1 },
      ],
    },
    lastLines: { [evil]: [evil] },
    plan: { [evil]: evil },
  };
  const html = pageHtml(result, { ...facts, version: evil, command: evil });
  expect(html).not.toContain("<script");
  expect(html.match(/"><script/g)).toBeNull();
});

it("is written whole", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-page-"));
  const path = join(directory, "new", "report.html");
  await writePage(path, rolledBackUpgrade, facts);
  expect(await readFile(path, "utf8")).toBe(pageHtml(rolledBackUpgrade, facts));
  expect(await readdir(join(directory, "new"))).toEqual(["report.html"]);
});
