import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startKeeper } from "../test/e2e/support/keeper.ts";
import { prober } from "../test/lab/prober.ts";
import { buildProgram } from "../test/lab/program.ts";
import { run } from "../test/lab/run.ts";
import { createStack } from "../test/lab/stack.ts";
import { until } from "../test/lab/step.ts";
import { badVersions, goodVersions } from "../test/lab/versions.ts";
import { fill } from "./fill.ts";
import { machine, median } from "./measure.ts";

/**
 * How long the users of a stack wait, seen from outside by a probe every 20 ms: a plain `docker
 * compose up -d` to another image, an upgrade to the same image, and one to an image whose
 * migration fails. `npm run bench -- downtime [--scale 1] [--rounds 3]`; scale 1 is 1 GB in the data
 * directory and 1 GB in PostgreSQL. Needs the lab: `npm run lab up`.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
  },
});
const scale = Number(values.scale);
/** The lasting good probes that end a wait. */
const LASTING = 25;
const PATIENCE_MS = 900_000;
const figures = new Map<string, number[]>();

await buildProgram();
await using stack = await createStack({ tier: "pro", name: "bench" });
console.log(`${machine(stack.dataDir)}; scale ${scale}`);
await fill(stack, scale);
const first = stack.reference("1.1.0");
// The same schema, so that a plain `up` can go there and back.
const next = await stack.publish({ ...goodVersions["1.1.0"], version: "1.1.0-next" });
const bad = await stack.publish(badVersions["migration-failed"]);
await run(["docker", "pull", "--quiet", next]);
for (let round = 0; round < Number(values.rounds); round++) {
  note("plain", (await probed(() => plain(next))).seconds);
  note("plain", (await probed(() => plain(first))).seconds);
  await upgraded("passed", next);
  await upgraded("failed", bad);
  await plain(first);
  note("stores", await restarted());
}
table();

/** Moves the gateway as a person would. */
async function plain(reference: string): Promise<void> {
  const path = join(stack.directory, ".env");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/^SOPHON_IMAGE=.*$/m, `SOPHON_IMAGE=${reference}`));
  await stack.compose(["up", "--detach", "--pull", "never"]);
}

/** How long the stores alone take to stop and to start again: a way back that puts their files back needs that, too. */
async function restarted(): Promise<number> {
  const stores = ["postgres", "qdrant"];
  const begun = performance.now();
  await stack.compose(["stop", ...stores]);
  await stack.compose(["up", "--detach", "--no-recreate", "--wait", ...stores]);
  return (performance.now() - begun) / 1000;
}

async function upgraded(what: "passed" | "failed", reference: string): Promise<void> {
  const repository = join(stack.scratch, "repository");
  const place = ["--project-directory", stack.directory, "--repository", repository];
  const images = ["--images", `sophon-gateway=${reference}`];
  const { seconds, value } = await probed(
    () => startKeeper(["upgrade-test", ...place, ...images, "--soak", "5s"]).ended,
  );
  const wanted = what === "passed" ? 0 : 6;
  if (value.code !== wanted)
    throw new Error(`the upgrade ended with ${value.code}:\n${value.stderr}`);
  note(what, seconds);
  note(`${what}, as the result tells it`, Number(value.result.downtimeSeconds));
  for (const [step, time] of steps(repository)) note(`${what}: ${step}`, time);
}

/** Runs something, waits until the stack lastingly serves, and tells how long it did not. */
async function probed<T>(act: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  await using probes = prober(`${stack.gatewayUrl}/api/health`, 20);
  const value = await act();
  let good = 0;
  await until("a stack that serves", PATIENCE_MS, async () => {
    const answer = await fetch(`${stack.gatewayUrl}/api/health`).catch(() => undefined);
    good = answer?.status === 200 ? good + 1 : 0;
    return good >= LASTING;
  });
  const { downtimeMs } = await probes.stop();
  if (downtimeMs === null) throw new Error("the stack does not serve again");
  return { seconds: downtimeMs / 1000, value };
}

/** Seconds that each step of the last upgrade took, by its phase and name. */
function steps(repository: string): [string, number][] {
  const directory = join(repository, "operations");
  const lines = readdirSync(directory)
    .filter((name) => name.endsWith(".jsonl"))
    .toSorted()
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .findLast((text) => text.includes('"operation":"upgrade-test"'));
  const all = (lines ?? "").split("\n").flatMap((line) => {
    const entry = line.startsWith("{") ? (JSON.parse(line) as Partial<Step>) : {};
    return entry.phase === undefined || entry.time === undefined ? [] : [entry as Step];
  });
  return all.slice(0, -1).map(({ phase, step, time }, at) => {
    const next = all[at + 1] ?? { time };
    return [`${phase}/${step}`, (Date.parse(next.time) - Date.parse(time)) / 1000];
  });
}

interface Step {
  readonly phase: string;
  readonly step: string;
  readonly time: string;
}

function note(what: string, seconds: number): void {
  figures.set(what, [...(figures.get(what) ?? []), seconds]);
}

function table(): void {
  const reference = median(figures.get("plain") ?? []);
  console.log("| what | seconds, median | times a plain up |\n| --- | --- | --- |");
  for (const [what, all] of figures) {
    const ratio = what.includes(":") ? "" : (median(all) / reference).toFixed(2);
    console.log(`| ${what} | ${median(all).toFixed(2)} | ${ratio} |`);
  }
  const of = (what: string): number => median(figures.get(what) ?? []);
  const allowed = 2 * (2 * of("plain") + of("failed: gate/watch") + of("stores"));
  console.log(
    `\nwanted: passed <= ${(2 * of("plain")).toFixed(2)}, failed <= ${allowed.toFixed(2)}`,
  );
}
