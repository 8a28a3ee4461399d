import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildProgram, program as ownProgram } from "../test/lab/program.ts";
import { run } from "../test/lab/run.ts";
import { createStack } from "../test/lab/stack.ts";
import { goodVersions } from "../test/lab/versions.ts";
import { machine, median } from "./measure.ts";
import { toolMinima } from "./overhead/minimum.ts";
import { phasesOf } from "./overhead/phases.ts";
import { starts, startWatch, type Watched } from "./overhead/watched.ts";

/**
 * Where the seconds go on an idle Enterprise stack of about 1 MB: of each command its phases as it tells them itself,
 * what it started on the way, and what the tools alone take. `npm run bench -- overhead [--rounds 3] [--program
 * dist/cli.js] [--only backup,checksum,contents,test,restore,upgrade]`; another build is measured with `--program`.
 * Needs the lab: `npm run lab up`.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    program: { type: "string" },
    only: { type: "string", default: "backup,checksum,contents,test,restore,upgrade" },
  },
});
const soakSeconds = 3;

if (values.program === undefined) await buildProgram();
const program = values.program ?? ownProgram;
await using stack = await createStack({ tier: "enterprise", name: "bench" });
await using watch = await startWatch(join(stack.scratch, "watch"));
const repository = join(stack.scratch, "repository");
const place = ["--project-directory", stack.directory, "--repository", repository];
// The same schema, so that an upgrade can go there and back.
const next = await stack.publish({ ...goodVersions["1.1.0"], version: "1.1.0-next" });
const first = stack.reference("1.1.0");
const chosen = new Set(values.only.split(","));
const rounds = Number(values.rounds);

console.log(machine(stack.dataDir));
// Makes the helper's image, and the backup that the others read.
await watched(["backup"]);
const commands: [string, string, (round: number) => readonly string[]][] = [
  ["backup", "backup", () => ["backup"]],
  ["checksum", "verify --level checksum", () => ["verify", "--level", "checksum"]],
  ["contents", "verify --level contents", () => ["verify", "--level", "contents"]],
  ["test", "verify --level restore", () => ["verify", "--level", "restore"]],
  ["restore", "restore of the live stack", () => ["restore"]],
  ["upgrade", `upgrade-test, soak ${soakSeconds} s`, upgradeTo],
];
for (const [name, title, command] of commands) {
  if (!chosen.has(name)) continue;
  const runs: Watched[] = [];
  for (let round = 0; round < rounds; round += 1) runs.push(await watched(command(round)));
  table(title, runs);
}
console.log("\n| the tools alone | seconds |\n| --- | --- |");
for (const [name, seconds] of await toolMinima(stack)) {
  console.log(`| ${name} | ${seconds.toFixed(2)} |`);
}

function upgradeTo(round: number): string[] {
  const image = `sophon-gateway=${round % 2 === 0 ? next : first}`;
  return ["upgrade-test", "--images", image, "--soak", `${soakSeconds}s`];
}

/** One command on a stack that is at rest. */
async function watched(words: readonly string[]): Promise<Watched> {
  const [command = "", ...more] = words;
  await run(["sync"]);
  const one = await watch.run(program, [command, ...place, ...more]);
  const { result, reason } = one.result;
  const good = ["backed-up", "verified", "restored", "passed"].includes(result);
  if (!good) throw new Error(`${command}: ${result}: ${reason?.message}\n${one.log}`);
  return one;
}

function table(title: string, runs: readonly Watched[]): void {
  const of = (pick: (one: Watched) => number) => median(runs.map(pick));
  const total = of(({ seconds }) => seconds);
  const counts = starts.map((name) => `${of((one) => one.starts[name])} ${name}`).join(", ");
  console.log(`\n**${title}**: ${total.toFixed(1)} s; ${counts}\n`);
  console.log("| phase | seconds | of these in programs |\n| --- | --- | --- |");
  const all = runs.map(({ log, seconds }) => phasesOf(log, seconds));
  for (const [at, { title: phase, inPrograms }] of (all[0] ?? []).entries()) {
    const seconds = median(all.map((one) => one[at]?.seconds ?? 0));
    const programs = median(all.map((one) => one[at]?.inPrograms ?? 0));
    const cell = inPrograms === undefined ? "" : programs.toFixed(2);
    console.log(`| ${phase} | ${seconds.toFixed(2)} | ${cell} |`);
  }
}
