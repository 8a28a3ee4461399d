import { buildProgram } from "./lab/program.ts";
import { beginRun } from "./lab/test-run.ts";
import { type Counts, conclude, sumCounts } from "./runner/counts.ts";
import { type Project, projects, runProjects, usualProjects } from "./runner/every.ts";
import { runExhaustive } from "./runner/exhaustive.ts";
import { Timings } from "./runner/timings.ts";

// `npm test` runs everything but the exhaustive part, `npm test contract` one kind of tests, `npm test unit retention` a
// part of it. `npm run test:exhaustive -- --budget MINUTES` runs what else is true. The last line counts.

const defaultBudget = 30;

const words = process.argv.slice(2);
const testRun = await beginRun();
const timings = new Timings();
try {
  await buildProgram();
  const counts = words[0] === "exhaustive" ? await exhaustive(words.slice(1)) : await usual();
  await testRun?.end();
  timings.print();
  process.exitCode = conclude(counts);
} finally {
  await testRun?.end();
}

async function usual(): Promise<Counts> {
  const isProject = (word: string): word is Project => projects.some((name) => name === word);
  const chosen = words.filter(isProject);
  const filters = words.filter((word) => !isProject(word));
  // A filter may name any file.
  const defaults = filters.length === 0 ? usualProjects : projects;
  const counts: Counts[] = [];
  await runProjects(chosen.length === 0 ? defaults : chosen, filters, { timings, counts });
  return sumCounts(counts);
}

async function exhaustive(given: readonly string[]): Promise<Counts> {
  const at = given.indexOf("--budget");
  const minutes = at < 0 ? defaultBudget : Number(given[at + 1]);
  if (!(minutes >= 0))
    throw new Error("--budget takes minutes: npm run test:exhaustive -- --budget 20");
  const filters = at < 0 ? given : given.toSpliced(at, 2);
  return await runExhaustive(minutes, filters, timings);
}
