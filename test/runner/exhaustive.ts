import { run } from "../lab/run.ts";
import { labUp, setUpVariable } from "../lab/up.ts";
import { allCells, type Cell, grouped, namePattern, rotated } from "./cells.ts";
import { type Counts, countTests, failedPart, noCounts, sumCounts } from "./counts.ts";
import { type FileReport, nameOf, root } from "./report.ts";
import type { Timings } from "./timings.ts";
import { runVitestTwice } from "./vitest.ts";

/** So many vitest run side by side; most of what they do is wait. */
const lanes = 3;
/** So many cells share a vitest, and with it a stack. */
const groupSize = 5;
/** What a group is taken to need before anything was measured. */
const firstGuessSeconds = 180;

interface Plan {
  /** When all has to be over, in milliseconds since the epoch. */
  readonly endMs: number;
  readonly timings: Timings;
}

/**
 * Runs as many cells as fit into a budget, from another one on for each commit, and tells which it ran and which it
 * left. It starts nothing that would not end in time: no cell is cut off.
 */
export async function runExhaustive(
  minutes: number,
  filters: readonly string[],
  timings: Timings,
): Promise<Counts> {
  const started = performance.now();
  const endMs = Date.now() + minutes * 60_000;
  const commit = Number(await run(["git", "rev-list", "--count", "HEAD"], { cwd: root }));
  const cells = rotated(await allCells(filters), commit);
  console.log(
    `exhaustive: ${cells.length} cells, ${minutes.toFixed(1)} minutes, commit ${commit}\n`,
  );
  await labUp("tests");
  process.env[setUpVariable] = "up";
  const results = await runGroups(grouped(cells, groupSize), { endMs, timings });
  const ran = new Set(results.flatMap((result) => result.ran));
  tellCells(cells, ran);
  if (ran.size === 0) console.log(`${noCell(cells.length, minutes)}\n`);
  timings.phase("exhaustive", (performance.now() - started) / 1000);
  return sumCounts(results.map(({ counts }) => counts));
}

interface GroupResult {
  readonly counts: Counts;
  readonly ran: readonly Cell[];
}

/** Several at once; a group of the project `engine` alone. */
async function runGroups(groups: readonly Cell[][], plan: Plan): Promise<GroupResult[]> {
  const results: GroupResult[] = [];
  const running = new Set<Promise<void>>();
  let slowest = firstGuessSeconds;
  const start = (group: readonly Cell[]) => {
    const began = performance.now();
    const work: Promise<void> = runGroup(group, plan).then((result) => {
      results.push(result);
      running.delete(work);
      slowest = Math.max(slowest, (performance.now() - began) / 1000);
    });
    running.add(work);
  };
  for (const group of groups) {
    const isAlone = group[0]?.project === "engine";
    while (running.size >= lanes || (isAlone && running.size > 0)) await Promise.race(running);
    if (Date.now() + slowest * 1000 > plan.endMs) break;
    start(group);
    if (isAlone) await Promise.all(running);
  }
  await Promise.all(running);
  return results;
}

async function runGroup(group: readonly Cell[], { endMs, timings }: Plan): Promise<GroupResult> {
  const [{ project, file } = { project: "", file: "" }] = group;
  const retries = process.env.CI === "true" ? ["--retry=1"] : [];
  const label = `${project.padEnd(8)} (exhaustive)`;
  const { code, files } = await runVitestTwice(
    label,
    ["--project", project, file, "--testNamePattern", namePattern(group), ...retries],
    // Those that the time is over for before they begin are skipped: see test/lab/deadline.ts.
    { env: { SOPHON_KEEPER_TEST_DEADLINE: String(endMs), SOPHON_KEEPER_CUTS: "every" } },
  );
  timings.files(project, files);
  const ran = ranOf(group, files);
  const names = group.map(({ name }) => name);
  const counts = countTests(project, files, () => false, names);
  const isCutShort = Date.now() > endMs;
  const failed =
    counts.failed > 0 || (code === 0 && (isCutShort || ran.length === group.length))
      ? noCounts
      : failedPart(`${file}: vitest exited with ${code} and ran ${ran.length} of ${group.length}`);
  return { ran, counts: sumCounts([counts, failed]) };
}

function ranOf(group: readonly Cell[], files: readonly FileReport[]): Cell[] {
  const tests = files.flatMap((file) => file.assertionResults);
  const ended = tests.filter(({ status }) => ["passed", "failed"].includes(status));
  const names = new Set(ended.map(nameOf));
  return group.filter(({ name }) => names.has(name));
}

/** Said beside the lists, which are long: a run that shows nothing here must not look like one that does. */
function noCell(cells: number, minutes: number): string {
  if (cells === 0) return "exhaustive: no cell was run: there is none for these filters";
  const needed = Math.ceil(firstGuessSeconds / 60);
  return `exhaustive: no cell was run: ${minutes.toFixed(1)} minutes are left, and the first ones are taken to need ${needed}`;
}

function tellCells(cells: readonly Cell[], ran: ReadonlySet<Cell>): void {
  const tell = (title: string, some: readonly Cell[]) => {
    console.log(`${title} (${some.length}):`);
    for (const { file, name } of some) console.log(`  ${file}: ${name}`);
    console.log("");
  };
  tell(
    "Cells that were run",
    cells.filter((cell) => ran.has(cell)),
  );
  tell(
    "Cells that were left for other commits",
    cells.filter((cell) => !ran.has(cell)),
  );
}
