import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Result } from "../../../src/model/result.ts";
import { pageHtml } from "../../../src/report/page.ts";
import { writePage } from "../../../src/report/page-file.ts";
import { listedBackups, madeBackup } from "./backup-result.ts";
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

it("tells of backups what is wrong with them, where copies are, and what restores set aside", () => {
  const html = pageHtml(listedBackups, { ...facts, command: "list" });
  expect(html).toContain('<span class="fail">data: sha256: the file has another content</span>');
  expect(html).toContain("newest off this host: sophon-20261127T021700Z-1027");
  expect(html).toContain("/srv/sophon/data.sophon-keeper-before-20261121T180000Z-9f");
  const made = pageHtml(madeBackup, { ...facts, command: "backup" });
  expect(made.indexOf("was it emptied?")).toBeLessThan(made.indexOf("postgres-sophon"));
  expect(made).toContain("2.9 GiB in s3://backups/sophon, proven by sha256");
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
    ...{ backups: [{ id: evil, problem: evil, level: null }], removed: [evil] },
    ...{ setAside: [{ restore: evil, path: evil }], offHost: { backupId: evil } },
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
