import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { keeperLabels } from "../../../src/model/keeper-labels.ts";
import { formatManifest, parseManifest } from "../../../src/model/manifest.ts";
import { parseMarks } from "../../../src/model/marks.ts";
import { backupJournal } from "../../../src/operations/backup/journal.ts";
import { restoreJournal } from "../../../src/operations/restore/journal.ts";
import {
  createJournal,
  type JournalSpec,
  listUnfinished,
  readJournal,
} from "../../../src/operations/session/journal.ts";
import { deployedLock } from "../../../src/operations/upgrade/deployed-record.ts";
import { upgradeJournal } from "../../../src/operations/upgrade/journal.ts";
import { Repository } from "../../../src/repository/repository.ts";
import { readIndex, writeIndex } from "../../../src/rollback-copy/index.ts";
import { stampOf } from "../../../src/rollback-copy/tree.ts";
import { composeLabels } from "../../../src/stack/labels.ts";
import { scratchLabels } from "../../../src/stack/scratch.ts";
import { recoveries } from "../../../src/wiring/recoveries.ts";
import { taskRegistry } from "../../../src/wiring/tasks.ts";
import { linesOf } from "./shapes.ts";

// What lies on the disks of users, written by builds before this one. A name that is changed here makes `recover` blind for
// an operation that was cut off by an update of this program: these tests are never adapted to a change of the sources.

const fixtures = join(import.meta.dirname, "../../fixtures/on-disk");
const journals = join(fixtures, "journals");
const names = readdirSync(journals).map((name) => name.replace(/\.jsonl$/, ""));
const text = (...path: string[]) => readFileSync(join(fixtures, ...path), "utf8");
const json = (name: string) => JSON.parse(text(name)) as unknown;
const linesOfFixture = (name: string) => text("journals", `${name}.jsonl`).trimEnd().split("\n");

/** Operations whose every step is whole write nothing but the beginning and the end. */
const bare = (operation: string): JournalSpec => ({ operation, phases: [], steps: {} });
const specs: readonly JournalSpec[] = [
  backupJournal,
  restoreJournal,
  upgradeJournal,
  bare("prune"),
  bare("recover"),
];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sophon-keeper-on-disk-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Reads lines as the journal of an operation, with the shapes of today. */
function read(lines: readonly string[]) {
  const { operation } = JSON.parse(lines[0] ?? "") as { operation: string };
  const spec = specs.find((one) => one.operation === operation);
  if (spec === undefined) throw new Error(`no journal of today is called ${operation}`);
  writeFileSync(join(directory, "one.jsonl"), `${lines.join("\n")}\n\n\n`);
  return readJournal(directory, "one", spec);
}

describe.each(names)("the journal %s of an earlier build", (name) => {
  const lines = linesOfFixture(name);
  const raw = lines.map((line) => JSON.parse(line) as { step: string; operation: string });

  it("is read with every member that it holds", () => {
    const { entries, outcome } = read(lines);
    expect(entries).toMatchObject(raw.slice(1, -1));
    expect(raw.at(-1)).toMatchObject({ step: "closed", data: { outcome } });
  });

  it("is unfinished after whichever line it was cut off, or torn in, and has a recovery", () => {
    for (let count = 1; count < lines.length; count++) {
      const torn = lines[count]?.slice(0, 30) ?? "";
      const { entries, outcome } = read([...lines.slice(0, count), torn]);
      expect(entries).toMatchObject(raw.slice(1, count));
      expect(outcome).toBeUndefined();
      const [unfinished] = listUnfinished(directory);
      expect(unfinished?.about).toMatchObject({ project: "demo" });
      expect(recoveries[unfinished?.operation ?? ""], unfinished?.operation).toBeTypeOf("function");
    }
  });
});

it("the journals of earlier builds tell every step that there is", () => {
  const told = new Set(
    names.flatMap(linesOfFixture).map((line) => {
      const { operation, step } = JSON.parse(line) as { operation: string; step: string };
      return `${operation} ${step}`;
    }),
  );
  // The backup of an upgrade is taken live, and stops nothing.
  const rare = ["upgrade-test stop", "upgrade-test clean-up"];
  const steps = specs.flatMap(({ operation, steps }) =>
    Object.keys(steps).map((step) => `${operation} ${step}`),
  );
  expect(steps.filter((step) => !told.has(step) && !rare.includes(step))).toEqual([]);
});

it("journals keep each operation, phase, step and member", () => {
  const frozen = text("journal-shapes.txt").trimEnd().split("\n");
  const today = specs.flatMap(linesOf);
  expect(frozen.filter((line) => !today.includes(line))).toEqual([]);
});

it("a journal of today has the lines of an earlier one", () => {
  const clock = { ...systemClock, now: () => new Date("2026-11-28T09:58:41.000Z") };
  const about = { project: "demo", operation: "backup" };
  createJournal(directory, "one", backupJournal, { clock, about }).close("done");
  const lines = readFileSync(join(directory, "one.jsonl"), "utf8").trim().split("\n");
  expect(lines).toEqual([
    '{"seq":0,"time":"2026-11-28T09:58:41.000Z","operation":"backup","phase":"opened","step":"opened","data":{"format":1,"about":{"project":"demo","operation":"backup"}}}',
    '{"seq":1,"time":"2026-11-28T09:58:41.000Z","operation":"backup","phase":"closed","step":"closed","data":{"outcome":"done"}}',
  ]);
});

it("helper tasks keep their names", () => {
  const now = taskRegistry.map(({ name }) => name);
  expect((json("helper-tasks.json") as string[]).filter((name) => !now.includes(name))).toEqual([]);
});

it("labels keep their names", async () => {
  expect(Object.keys(await scratchLabels())).toContain("sophon-keeper.owner");
  expect(keeperLabels).toMatchObject({
    operation: "sophon-keeper.operation",
    kind: "sophon-keeper.kind",
    project: "sophon-keeper.project",
  });
  expect(composeLabels).toMatchObject({
    project: "com.docker.compose.project",
    service: "com.docker.compose.service",
    number: "com.docker.compose.container-number",
    oneOff: "com.docker.compose.oneoff",
    directory: "com.docker.compose.project.working_dir",
    files: "com.docker.compose.project.config_files",
    environmentFiles: "com.docker.compose.project.environment_file",
    volume: "com.docker.compose.volume",
    configHash: "com.docker.compose.config-hash",
  });
});

describe("a manifest of an earlier build", () => {
  it.each(["manifest-personal.json", "manifest-enterprise.json"])(
    "%s is read and written alike",
    (name) => {
      const manifest = parseManifest(text(name));
      expect(manifest).toEqual(json(name));
      expect(formatManifest(manifest)).toBe(text(name));
    },
  );

  it("is read whichever of the known words it holds", () => {
    const manifest = json("manifest-personal.json") as { components: object[] };
    const [component] = manifest.components;
    const words = {
      store: ["data", "sqlite", "postgres", "qdrant", "redis", "rabbitmq", "volume", "stack"],
      compression: ["none", "zstd", "gzip"],
      encryption: ["none", "age"],
    };
    for (const [member, all] of Object.entries(words)) {
      for (const word of all) {
        const components = [{ ...component, [member]: word }];
        expect(() => parseManifest(JSON.stringify({ ...manifest, components }))).not.toThrow();
      }
    }
    for (const tier of ["personal", "pro", "enterprise", "other"]) {
      for (const consistency of ["live", "stopped"]) {
        const other = JSON.stringify({ ...manifest, tier, consistency });
        expect(() => parseManifest(other)).not.toThrow();
      }
    }
  });
});

it.each(["marks-checksum.json", "marks-restore.json", "marks-revoked.json"])(
  "the marks %s of an earlier build are read",
  (name) => {
    expect(parseMarks(text(name))).toEqual(json(name));
  },
);

describe("a repository", () => {
  it("has its directories and files under their names", async () => {
    const repository = new Repository(directory);
    const id = "demo-20261128T095841Z-e189";
    await repository.create();
    const partial = await repository.begin(id);
    expect(partial).toBe(join(directory, "backups", `.partial-${id}`));
    writeFileSync(join(partial, "manifest.json"), text("manifest-personal.json"));
    expect(await repository.finish(id)).toBe(join(directory, "backups", id));
    await repository.mark(id, parseMarks(text("marks-checksum.json")));
    createJournal(repository.operations, id, backupJournal, { clock: systemClock })[
      Symbol.dispose
    ]();
    for (const kind of ["upgrades", "restores"] as const) {
      mkdirSync(repository.work(kind, id), { recursive: true });
    }
    const found = readdirSync(directory, { recursive: true, encoding: "utf8" });
    expect(found.toSorted()).toEqual([
      "backups",
      `backups/${id}`,
      `backups/${id}/manifest.json`,
      "marks",
      `marks/${id}.json`,
      "operations",
      `operations/${id}.ballast`,
      `operations/${id}.jsonl`,
      "restores",
      `restores/${id}`,
      "upgrades",
      `upgrades/${id}`,
    ]);
  });

  it("tells what an earlier build has deployed", async () => {
    writeFileSync(join(directory, "images.lock.json"), text("images.lock.json"));
    expect(await deployedLock(new Repository(directory))).toEqual(json("images.lock.json"));
  });
});

it("the index of a rollback copy is what it was: an upgrade that was cut off is undone by it", () => {
  mkdirSync(join(directory, "tree"));
  writeFileSync(join(directory, "tree", "a"), "12345", { mode: 0o640 });
  const stat = lstatSync(join(directory, "tree", "a"), { bigint: true });
  const { mode, uid, gid, size, mtimeNs, ctimeNs, ino } = stat;
  const stamp = `f ${mode} ${uid} ${gid} ${size} ${mtimeNs} ${ctimeNs} ${ino} 1 0`;
  expect(stampOf(stat)).toBe(stamp);
  const known = `sophon-keeper rollback copy 1\0exact\0${1}\0a\0${stamp}\0${1}`;
  writeFileSync(join(directory, "index"), known);
  expect(readIndex(directory)).toMatchObject({ exact: true, interrupted: false });
  const tree = readIndex(directory)?.tree ?? new Map();
  expect([...tree.values()]).toEqual([{ path: "a", stamp, settled: true }]);
  writeIndex(directory, tree, true);
  expect(readFileSync(join(directory, "index"), "latin1")).toBe(known);
  writeFileSync(join(directory, "pending"), "a");
  expect(readIndex(directory)).toMatchObject({ exact: false, interrupted: true });
});
