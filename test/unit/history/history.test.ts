import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { diskForecast, type History, nightsOf } from "../../../src/model/history.ts";
import { parseRunRecord, type RunRecord } from "../../../src/model/run-record.ts";
import { gatherHistory } from "../../../src/operations/history/gather.ts";
import { historyHtml, historyVerdict } from "../../../src/report/history-page.ts";
import { Repository } from "../../../src/repository/repository.ts";
import { appendHistory, readHistory } from "../../../src/repository/run-history.ts";
import { damagedNight, missingNight, morning, thirtyNights } from "./thirty-nights.ts";

const scratch = () => mkdtemp(join(tmpdir(), "sophon-keeper-history-"));

async function history(): Promise<History> {
  return await gatherHistory(await thirtyNights(await scratch()), undefined, morning);
}

it("tells what became of each night", async () => {
  const nights = nightsOf(await history());
  const stateOf = (date: string) => nights.find((night) => night.date === date)?.state;
  expect(nights).toHaveLength(30);
  expect(nights.filter(({ state }) => state === "missing").map(({ date }) => date)).toEqual([
    missingNight,
  ]);
  expect(stateOf(damagedNight)).toBe("damaged");
  expect(stateOf("2026-11-01")).toBe("removed");
  expect(stateOf("2026-11-28")).toBe("restore");
  expect(nights.flatMap(({ upgrades }) => upgrades.map(({ result }) => result))).toEqual([
    "passed",
    "rolled-back",
  ]);
});

it("shows all of it on the page, and nothing that loads or runs", async () => {
  const html = historyHtml(await history(), { version: "1.0.0", host: "nas" });
  for (const text of [
    "The newest backup is 4 h old and was restored in a test",
    "Backups of sophon on nas",
    "28 of 30 good",
    "s3://backups/sophon",
    "buildersoftdev/<wbr>sophon:1.2.0 → 1.3.0",
    "7.3 s",
    "full about 20",
    "qdrant-documents",
  ]) {
    expect(html).toContain(text);
  }
  expect(html).not.toMatch(/<(script|link|img|iframe)\b/i);
  expect(html).not.toMatch(/\b(src|href)\s*=|url\(|@import/i);
});

it("keeps names out of the markup", async () => {
  const evil = `"><script>alert(1)</script>`;
  const run: RunRecord = {
    ...{
      at: morning.toISOString(),
      command: "upgrade-test",
      result: evil,
      class: evil,
      seconds: 1,
    },
    images: { [evil]: { from: evil, to: evil } },
  };
  const backup = {
    ...{ id: evil, createdAt: morning.toISOString(), bytes: 1, level: null, verifiedAt: null },
    ...{ problem: evil, remotes: [evil] },
    components: [{ name: evil, bytes: 1, plainBytes: 1, seconds: 1 }],
  };
  const html = historyHtml(
    {
      ...{ project: evil, repository: evil, at: morning.toISOString(), rehearsals: [] },
      runs: [run, { ...run, command: evil }],
      backups: [backup, { ...backup, createdAt: "2026-11-27T00:00:00.000Z" }],
      offHost: { backupId: evil, createdAt: morning.toISOString(), remotes: [evil] },
    },
    { version: evil, host: evil },
  );
  expect(html).not.toContain("<script");
});

const none: History = {
  ...{ project: "p", repository: "/r", at: morning.toISOString(), backups: [], runs: [] },
  ...{ rehearsals: [], offHost: null },
};
const made = (date: string, more: Partial<RunRecord> = {}): RunRecord => ({
  ...{ at: `${date}T02:00:00.000Z`, command: "backup", result: "backed-up", seconds: 1, ...more },
});

it.each([
  ["nothing at all", [], [], "There is no good backup"],
  [
    "a schedule that stopped",
    ["2026-11-20", "2026-11-21"],
    [..."removed removed missing missing missing missing missing missing none".split(" ")],
    "There is no good backup",
  ],
  [
    "a weekly one, which misses no day between",
    ["2026-11-07", "2026-11-14"],
    [
      ..."removed none none none none none none removed none none none none none none missing".split(
        " ",
      ),
      ..."none none none none none none none".split(" "),
    ],
    "There is no good backup",
  ],
])("knows %s", (_, dates, states, sentence) => {
  const runs = (dates as string[]).map((date) => made(date));
  expect(nightsOf({ ...none, runs }).map(({ state }) => state)).toEqual(states);
  expect(historyVerdict({ ...none, runs })).toEqual({ isGood: false, sentence });
});

it("tells when the disk is full only from enough nights", () => {
  const disk = { freeBytes: 10e9, totalBytes: 100e9 };
  const runs = (perDay: number, count: number) =>
    Array.from({ length: count }, (_, night) =>
      made(`2026-11-${20 + night}`, { freeBytes: 10e9 + perDay * (8 - night) }),
    );
  const of = (perDay: number, count: number) =>
    diskForecast({ ...none, disk, runs: runs(perDay, count) });
  expect(of(1e9, 4)).toEqual({ kind: "unknown" });
  expect(of(0, 8)).toEqual({ kind: "steady" });
  expect(of(-1e9, 8)).toEqual({ kind: "steady" });
  expect(of(1e9, 8)).toMatchObject({ kind: "full", on: "2026-12-08" });
});

it("reads a history with a torn line and members of later versions, and cuts one that is too large", async () => {
  const repository = new Repository(await scratch());
  expect(await readHistory(repository)).toEqual([]);
  const file = join(repository.path, "history.jsonl");
  await writeFile(file, `${JSON.stringify({ ...made("2026-11-01"), later: 1 })}\n{"at":"2026`);
  appendHistory(repository, made("2026-11-02"));
  const read = await readHistory(repository);
  expect(read.map(({ at }) => at.slice(0, 10))).toEqual(["2026-11-01", "2026-11-02"]);
  expect(parseRunRecord("null")).toBeUndefined();
  // As the first build with a history wrote it.
  const frozen = `{"at":"2026-11-28T02:18:00.000Z","command":"backup","result":"backed-up","seconds":60,"backupId":"sophon-20261128T021700Z-1029","level":"checksum","components":[{"name":"data","bytes":1,"plainBytes":2,"seconds":3}],"freeBytes":4}`;
  expect(parseRunRecord(frozen)).toEqual(JSON.parse(frozen));
  await writeFile(file, `${JSON.stringify(made("2026-11-03"))}\n`.repeat(50_000));
  appendHistory(repository, made("2026-11-04"));
  expect((await readFile(file)).length).toBeLessThan(3 * 2 ** 20);
  expect((await readHistory(repository)).at(-1)?.at).toContain("2026-11-04");
});
