import { expect, it } from "vitest";
import { resultText } from "../../../src/report/text.ts";

it("lists backups as a table", () => {
  const backups = [
    {
      id: "demo-20261122T030000Z-0a1b",
      bytes: 5_242_880,
      createdAt: "2026-11-22T03:00:00Z",
      encrypted: true,
      level: "checksum",
      problem: null,
    },
    { id: "demo-2", bytes: 12, createdAt: null, encrypted: false, level: null, problem: "cut off" },
  ];
  expect(resultText({ result: "listed", seconds: 0.1, path: "/b", backups })).toBe(
    [
      "listed: /b, 0.10 s",
      "backup                      made                        size  sealed        verified",
      "demo-20261122T030000Z-0a1b  2026-11-22 03:00:00 UTC  5.0 MiB  age           checksum",
      "demo-2                                                  12 B  in the clear  cut off",
      "",
    ].join("\n"),
  );
});

it("says that there are none", () => {
  expect(resultText({ result: "listed", seconds: 0, backups: [] })).toContain("no backups");
});

it("tells a plan as indented lines", () => {
  const stores = [{ name: "data", kind: "data", source: "/srv/data" }];
  const plan = { project: "demo", encrypted: true, stores, excluded: [] };
  expect(resultText({ result: "planned", seconds: 0, plan })).toBe(
    "planned: 0.00 s\nproject: demo\nencrypted: yes\nstores:\n  - name data, kind data, source /srv/data\nexcluded: -\n",
  );
});

it("tells what was sent off the host, and where the newest copy is", () => {
  const uploads = [
    { backupId: "s-1", to: "s3://b/p", name: "s/backups/s-1", bytes: 2 ** 20, proof: "sha256" },
  ];
  expect(resultText({ result: "uploaded", seconds: 1, uploads })).toContain(
    "s-1: 1.0 MiB in s3://b/p, proven by sha256",
  );
  const backups = [
    { id: "s-1", bytes: 1, remotes: ["s3://b/p"] },
    { id: "s-0", remotes: [] },
  ];
  const listed = { backups, offHost: { backupId: "s-1" }, sameDevice: true };
  const made = resultText({ result: "backed-up", seconds: 1, copies: 2, ...listed, backups: [] });
  expect(made).toContain("copies of this backup besides the data itself: 2\nthe repository lies");
  const text = resultText({ result: "listed", seconds: 1, ...listed });
  expect(text).toMatch(/s-1 .*s3:\/\/b\/p\n/);
  expect(text).toContain(
    "newest off this host: s-1\nthe repository lies on the device of the data",
  );
  const none = resultText({ result: "listed", seconds: 1, backups: [], offHost: null });
  expect(none).toContain("no backup is proven off this host");
});

it("tells many passed checks by their number, and what did not pass by itself", () => {
  const checks = Array.from({ length: 20 }, (_, at) => ({
    ...{ name: `check ${at}`, detail: "as recorded" },
    status: at === 7 ? ("fail" as const) : ("pass" as const),
  }));
  const text = resultText({ result: "verified", seconds: 1, checks });
  expect(text).toContain("check 7: as recorded");
  expect(text).not.toContain("check 8:");
  expect(text).toContain("19 of 20 checks passed");
});

it("tells what restores set aside, in the result of list and in that of a restore", () => {
  const path = "/srv/sophon/conf.sophon-keeper-before-1";
  const listed = resultText({
    ...{ command: "list", version: "1.0.0", result: "listed", exitCode: 0, seconds: 1 },
    setAside: [{ restore: "sophon-1", path }],
  });
  expect(listed).toContain(`sophon-1 set aside: ${path}`);
  const restored = resultText({
    ...{ command: "restore", version: "1.0.0", result: "restored", exitCode: 0, seconds: 1 },
    setAside: [path],
    warnings: [`the previous content is kept in ${path}`],
  });
  expect(restored.split(path)).toHaveLength(2);
});
