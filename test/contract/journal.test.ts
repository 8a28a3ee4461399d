import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import {
  createJournal,
  listUnfinished,
  readJournal,
  reopenJournal,
} from "../../src/operations/session/journal.ts";
import { cells } from "../lab/matrix.ts";
import { testSpec } from "./journal-spec.ts";
import { LoopFileSystem, missing } from "./rollback-copy-host.ts";

const options = { clock: systemClock };
let base = "";
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "sk-journal-"));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));
const fresh = () => mkdtempSync(join(base, "operations-"));

test("tells every step in order, and that it is unfinished, until it is closed", () => {
  const directory = fresh();
  const journal = createJournal(directory, "one", testSpec, {
    ...options,
    about: { project: "p" },
  });
  journal.append("quiesce", "pause", { container: "abc" });
  journal.append("apply", "apply", { images: { gateway: "sha256:1" } });
  expect(listUnfinished(directory)).toMatchObject([
    { id: "one", operation: "upgrade", phase: "apply", about: { project: "p" } },
  ]);
  const { entries, outcome } = readJournal(directory, "one", testSpec);
  expect(entries.map(({ seq, phase, step, data }) => [seq, phase, step, data])).toEqual([
    [1, "quiesce", "pause", { container: "abc" }],
    [2, "apply", "apply", { images: { gateway: "sha256:1" } }],
  ]);
  expect(outcome).toBeUndefined();
  journal.close("rolled-back");
  expect(listUnfinished(directory)).toEqual([]);
  expect(readJournal(directory, "one", testSpec).outcome).toBe("rolled-back");
  expect(readdirSync(directory)).toEqual(["one.jsonl"]);
  const lines = readFileSync(join(directory, "one.jsonl"), "utf8").trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { step: string }).step)).toEqual([
    "opened",
    "pause",
    "apply",
    "closed",
  ]);
});

test("never takes over another operation's journal", () => {
  const directory = fresh();
  using journal = createJournal(directory, "one", testSpec, options);
  journal.append("quiesce", "pause", { container: "abc" });
  expect(() => createJournal(directory, "one", testSpec, options)).toThrow(/EEXIST/);
  expect(readJournal(directory, "one", testSpec).entries).toHaveLength(1);
  expect(readdirSync(directory).sort()).toEqual(["one.ballast", "one.jsonl"]);
});

test("a line torn at any byte is left out, and the next one is read", () => {
  const directory = fresh();
  using journal = createJournal(directory, "torn", testSpec, options);
  journal.append("quiesce", "pause", { container: "first" });
  const path = join(directory, "torn.jsonl");
  const whole = readFileSync(path);
  const start = whole.toString().trimEnd().length + 1;
  journal.append("quiesce", "pause", { container: "second" });
  const after = readFileSync(path);
  const end = after.toString().trimEnd().length;
  for (let cut = start; cut < end; cut += 1) {
    const torn = Buffer.from(after);
    torn.fill("\n", cut, end);
    writeFileSync(path, torn);
    expect(readJournal(directory, "torn", testSpec).entries).toHaveLength(1);
    using again = reopenJournal(directory, "torn", testSpec, options);
    again.append("quiesce", "pause", { container: "third" });
    const { entries } = readJournal(directory, "torn", testSpec);
    expect(entries.map(({ data }) => data)).toEqual([
      { container: "first" },
      { container: "third" },
    ]);
  }
  // A crash while the file grew: its end was never written.
  writeFileSync(path, whole);
  truncateSync(path, start);
  appendFileSync(path, Buffer.alloc(9000));
  using again = reopenJournal(directory, "torn", testSpec, options);
  again.append("quiesce", "pause", { container: "third" });
  expect(readJournal(directory, "torn", testSpec).entries).toHaveLength(2);
});

test("a missing line, a foreign step and a newer format cannot be judged", () => {
  const directory = fresh();
  using journal = createJournal(directory, "bad", testSpec, options);
  for (const container of ["a", "b", "c"]) journal.append("quiesce", "pause", { container });
  const path = join(directory, "bad.jsonl");
  const text = readFileSync(path, "utf8");
  const damaged = [
    text.replace(/^.*"b".*$/m, ""),
    text.replace('"step":"pause"', '"step":"unheard-of"'),
    text.replace('"container":"c"', '"container":3'),
    text.replace('"format":1', '"format":2'),
  ];
  for (const bytes of damaged) {
    expect(bytes).not.toBe(text);
    writeFileSync(path, bytes);
    expect(() => readJournal(directory, "bad", testSpec)).toThrow(/cannot be read/);
  }
});

// Each step waits for the disk, which others may keep busy: as few as show it.
test("a killed run has every step on the disk that it was told it may begin", async () => {
  for (let round = 0; round < 3; round += 1) {
    const directory = fresh();
    const child = spawn(process.execPath, [join(import.meta.dirname, "journal-run.ts"), directory]);
    let told = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      told += text;
      if (told.length > 60 + round * 100) child.kill("SIGKILL");
    });
    await new Promise((resolve) => child.once("close", resolve));
    const count = told.split("\n").length - 1;
    const { entries } = readJournal(directory, "killed", testSpec);
    expect(count).toBeGreaterThan(10);
    // More may be there than was told: the kill came in between.
    expect(entries.length).toBeGreaterThanOrEqual(count);
    expect(listUnfinished(directory)).toHaveLength(1);
  }
});

test("what a run killed while opening left is cleared away by the next", () => {
  const directory = fresh();
  writeFileSync(join(directory, "gone.jsonl.new"), "half");
  writeFileSync(join(directory, "gone.ballast"), "half");
  expect(listUnfinished(directory)).toEqual([]);
  createJournal(directory, "next", testSpec, options).close("done");
  expect(readdirSync(directory)).toEqual(["next.jsonl"]);
});

const systems: readonly [name: string, make: [string, ...string[]], megabytes: number][] = [
  ["ext4", ["mkfs.ext4", "-q"], 24],
  ["btrfs", ["mkfs.btrfs", "-q", "--mixed"], 120],
  ["xfs", ["mkfs.xfs", "-q"], 320],
];

cells(
  describe,
  systems,
  (name) => name === "ext4",
)("on a full %s", (_name, make, megabytes) => {
  const why = missing(make[0]);
  test.skipIf(why !== undefined)(`goes on writing${why ? ` (${why})` : ""}`, () => {
    using disk = new LoopFileSystem(base, make, megabytes);
    const directory = join(disk.path, "operations");
    using journal = createJournal(directory, "full", testSpec, options);
    fill(disk.path);
    for (let at = 0; at < 3_000; at += 1)
      journal.append("quiesce", "pause", { container: `c${at}` });
    expect(readJournal(directory, "full", testSpec).entries).toHaveLength(3_000);
    expect(statSync(join(directory, "full.jsonl")).size).toBeGreaterThan(256 * 1024);
    journal.close("rolled-back");
    expect(existsSync(join(directory, "full.ballast"))).toBe(false);
  });

  test.skipIf(why !== undefined)(
    `leaves nothing where it does not fit${why ? ` (${why})` : ""}`,
    () => {
      using disk = new LoopFileSystem(base, make, megabytes);
      const directory = join(disk.path, "operations");
      execFileSync("mkdir", [directory]);
      fill(disk.path);
      expect(() => createJournal(directory, "full", testSpec, options)).toThrow(/ENOSPC/);
      expect(readdirSync(directory)).toEqual([]);
    },
  );
});

/** Fills a file system to its last byte, with large and then with small files. */
function fill(path: string): void {
  for (const size of ["1M", "4k", "1"]) {
    const script = `cat /dev/urandom | dd of=${path}/fill-${size} bs=${size} iflag=fullblock 2>&1 >/dev/null; sync -f ${path}`;
    execFileSync("bash", ["-c", script], { stdio: "pipe" });
  }
}
