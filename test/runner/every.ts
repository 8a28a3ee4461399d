import { type Counts, countTests, failedPart, missingFiles, sumCounts } from "./counts.ts";
import type { Timings } from "./timings.ts";
import { exhaustiveTag, runVitestTwice } from "./vitest.ts";

/** The kinds of tests, as in `vitest.config.ts`. */
export const projects = ["unit", "contract", "e2e", "action", "engine"] as const;

export type Project = (typeof projects)[number];

/** All but the action in workflows, for which act would have to be compiled: those are cells of the exhaustive run. */
export const usualProjects: readonly Project[] = projects.filter((name) => name !== "action");

/**
 * Those of a row one after the other, the rows side by side; then the next rows. Engines that go down take the network
 * of the others' containers along, so nothing runs beside them.
 */
const order: readonly (readonly (readonly Project[])[])[] = [
  [
    ["unit", "contract"],
    ["e2e", "action"],
  ],
  [["engine"]],
];

/** The slowest file takes five minutes beside all others on two processors. */
const fileLimitMs = 15 * 60_000;

interface Run {
  readonly timings: Timings;
  /** Grows as each kind of tests ends. */
  readonly counts: Counts[];
  /** No other kind is begun after it. */
  readonly signal?: AbortSignal;
}

/** Runs kinds of tests, and without filters only those that are not left to the exhaustive run. */
export async function runProjects(
  chosen: readonly Project[],
  filters: readonly string[],
  { timings, counts, signal }: Run,
): Promise<void> {
  for (const beside of order) {
    const rows = beside.map(async (row) => {
      for (const project of row.filter((one) => chosen.includes(one))) {
        if (signal?.aborted === true) return;
        counts.push(await runProject(project, filters, timings));
      }
    });
    await Promise.all(rows);
  }
}

async function runProject(
  project: Project,
  filters: readonly string[],
  timings: Timings,
): Promise<Counts> {
  // Who names a file wants all of it.
  const all = filters.length > 0 || !usualProjects.includes(project);
  const given = all ? ["--passWithNoTests", ...filters] : [`--tagsFilter=!${exhaustiveTag}`];
  // Real servers and tools on a machine that others load, too: in CI a test of theirs gets a second try.
  const retries = project !== "unit" && process.env.CI === "true" ? ["--retry=1"] : [];
  const label = project.padEnd(8);
  const { code, seconds, files, missing } = await runVitestTwice(
    label,
    ["--project", project, ...retries, ...given],
    all ? {} : { fileLimitMs },
  );
  console.log(`${label} ${seconds.toFixed(0)} s\n`);
  timings.phase(project, seconds);
  timings.files(project, files);
  const counts = sumCounts([
    countTests(project, files, ({ tags }) => all || !tags.includes(exhaustiveTag)),
    missingFiles(project, missing ?? []),
  ]);
  if (code === 0 || counts.failed > 0) return counts;
  // A setup that failed, or an error outside any test: never to be read as good.
  const failed = failedPart(`${project}: vitest exited with ${code}, see above`);
  return sumCounts([counts, failed]);
}
