import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundledStep } from "./bundle.ts";
import { makeData } from "./data.ts";
import { type Candidate, compare, type Measured, machine, measure, median } from "./measure.ts";
import { addDatabase, passNight } from "./nights.ts";

/**
 * Backups with `incremental` beside restic's and borg's of the same nights: `npm run bench -- incremental [--scale 1]
 * [--nights 5] [--directory /tmp] [--restores 3]`. Every tool backs up each night in turn. Tells the medians of the time
 * of a night's backup, what is stored, and with 15 nights or more the restore of the full one and four deltas beside that of the full
 * one. Needs age, time, restic and borgbackup; a tool that is not there is left out, and said.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    nights: { type: "string", default: "5" },
    restores: { type: "string", default: "3" },
    directory: { type: "string", default: tmpdir() },
  },
});
/** A night whose backup is made from four deltas and a full one: 15, 14, 12, 8, 0. */
const DEEPEST = 15;
const nights = Number(values.nights);
const base = mkdtempSync(join(values.directory, "sk-bench-incremental-"));
const at = (name: string): string => join(base, name);
const data = at("data");
const step = await bundledStep(at("step"), "increment-step.ts");
const secrets = { RESTIC_PASSWORD: "bench", BORG_PASSPHRASE: "bench" };
const environment = { ...secrets, XDG_CACHE_HOME: at("cache"), HOME: base };

/** How one tool makes its first backup, and each one after it. */
interface Tool {
  readonly name: string;
  readonly init?: readonly string[];
  readonly backup: (night: number) => readonly string[];
  readonly stored: string;
}

/** One backup: its costs, and how many bytes it added. */
interface Night extends Measured {
  readonly bytes: number;
}

const tools: Tool[] = [
  {
    name: "ours",
    backup: (night) => [...step, "backup", base, at("key.txt"), String(night)],
    stored: at("repository/backups"),
  },
  {
    name: "restic",
    init: ["restic", "--repo", at("restic"), "init"],
    backup: () => ["restic", "--repo", at("restic"), "backup", "--quiet", data],
    stored: at("restic"),
  },
  {
    name: "borg",
    init: ["borg", "init", "--encryption=repokey", at("borg")],
    backup: (night) => ["borg", "create", `${at("borg")}::night-${night}`, data],
    stored: at("borg"),
  },
];

try {
  execFileSync("age-keygen", ["-o", at("key.txt")], { stdio: "ignore" });
  const made = makeData(data, Number(values.scale));
  addDatabase(data);
  const about = `${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB and a database`;
  console.log(`${machine(base)}; ${about}; ${nights} nights\n`);
  // The files of a stack were not all written a moment ago: their times prove nothing then.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const there = tools.filter(isThere);
  const runs = new Map<string, { readonly first: Night; readonly nights: Night[] }>();
  for (const tool of there) {
    if (tool.init !== undefined) command(tool.init);
    runs.set(tool.name, { first: run(tool, 0), nights: [] });
  }
  for (let night = 1; night <= nights; night++) {
    passNight(data, night);
    // Whoever comes first has the files of the night to wait for.
    const turn = night % there.length;
    for (const tool of [...there.slice(turn), ...there.slice(0, turn)]) {
      runs.get(tool.name)?.nights.push(run(tool, night));
    }
  }
  report(runs);
  if (nights >= DEEPEST) restores();
} finally {
  rmSync(base, { recursive: true, force: true });
}

function run(tool: Tool, night: number): Night {
  const before = storedBytes(tool.stored);
  const measured = measure({ name: tool.name, command: tool.backup(night), environment });
  return { ...measured, bytes: storedBytes(tool.stored) - before };
}

function report(runs: ReadonlyMap<string, { first: Night; nights: readonly Night[] }>): void {
  const restic = runs.get("restic")?.nights;
  const ratio = (own: readonly Night[], of: (night: Night) => number): string =>
    restic === undefined
      ? "-"
      : median(own.map((night, index) => of(night) / of(restic[index] ?? night))).toFixed(2);
  console.log(
    "| a night's backup | seconds | CPU seconds | peak MB | MB stored | all nights MB | first s | first MB | wall / restic | CPU / restic |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const [name, { first, nights: all }] of runs) {
    const sum = all.reduce((total, { bytes }) => total + bytes, 0);
    const cells = [
      name,
      median(all.map(({ seconds }) => seconds)).toFixed(2),
      median(all.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2),
      Math.max(...all.map(({ peakMegabytes }) => peakMegabytes)).toFixed(0),
      (median(all.map(({ bytes }) => bytes)) / 1e6).toFixed(1),
      (sum / 1e6).toFixed(1),
      first.seconds.toFixed(1),
      (first.bytes / 1e6).toFixed(1),
      ratio(all, ({ seconds }) => seconds),
      ratio(all, ({ cpuSeconds }) => cpuSeconds),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** The restore of the full backup, and of one that needs four deltas besides. */
function restores(): void {
  const restore = (name: string, night: number): Candidate => ({
    name,
    command: [...step, "restore", base, at("key.txt"), String(night), at("restored")],
    prepare: () => {
      rmSync(at("restored"), { recursive: true, force: true });
      mkdirSync(at("restored"));
    },
  });
  console.log("");
  const full = "restore of the full backup";
  const all = [restore(full, 0), restore("restore of full + 4 deltas", DEEPEST)];
  compare(all, full, Number(values.restores));
}

function isThere({ name }: Tool): boolean {
  if (name === "ours") return true;
  try {
    execFileSync("which", [name], { stdio: "ignore" });
    return true;
  } catch {
    console.log(`without ${name}: it is not installed (apt-get install restic borgbackup)`);
    return false;
  }
}

function command(words: readonly string[]): void {
  const [program = "", ...more] = words;
  execFileSync(program, more, { env: { ...process.env, ...environment }, stdio: "ignore" });
}

function storedBytes(directory: string): number {
  const text = execFileSync("bash", ["-c", 'du -sb "$1" 2>/dev/null || echo 0', "bash", directory]);
  return Number(text.toString().split("\t")[0]);
}
