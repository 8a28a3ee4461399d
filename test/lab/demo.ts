import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LabStack } from "./lab-stack.ts";
import { followLedger } from "./ledger.ts";
import { prober } from "./prober.ts";
import { run } from "./run.ts";
import { createStack } from "./stack.ts";
import { labPath } from "./state.ts";
import { beginRun } from "./test-run.ts";
import { labUp } from "./up.ts";
import { badVersions, wrecking } from "./versions.ts";
import { gatewayState } from "./writers.ts";

// `npm run demo`: the whole story on a stack of the Personal tier, by the committed bundle; `npm run demo -- enterprise`
// does the same with every store.

const keeper = join(import.meta.dirname, "..", "..", "dist", "cli.js");
const tiers = {
  personal: "a Personal stack: gateway with SQLite, dashboard",
  enterprise: "an Enterprise stack: gateway, dashboard, PostgreSQL, Qdrant, Redis, RabbitMQ",
} as const;

const tier = process.argv[2] ?? "personal";
if (tier !== "personal" && tier !== "enterprise") {
  console.error("usage: npm run demo [-- personal|enterprise]");
  process.exit(2);
}
const testRun = await beginRun();
let stepNumber = 0;
try {
  await demo(tier);
} finally {
  await testRun?.end();
}

async function demo(chosen: keyof typeof tiers): Promise<void> {
  const began = performance.now();
  say(`The lab: engine, registry and images of ${chosen}, from Debian packages`);
  await labUp(chosen);

  say(`Up comes ${tiers[chosen]}. Its gateway writes to every store`);
  await using stack = await createStack({ tier: chosen, name: "demo", writers: true });
  console.log(
    await stack.compose(["ps", "--format", "table {{.Service}}\t{{.Image}}\t{{.Status}}"]),
  );
  // Built while the backup runs.
  const published = Promise.all([
    stack.publish(wrecking(badVersions["migration-failed"])),
    stack.publish("1.2.0"),
  ]);
  published.catch(() => undefined);

  const recipient = await makeKey(stack);
  const kept = ["--project-directory", ".", "--repository", "../scratch/repository"];
  say("It is backed up while it is written to");
  await backUp(stack, [...kept, "--recipients", recipient]);

  say(
    "The backup is verified: restored into an isolated copy of the stack, which must become healthy",
  );
  const identity = ["--identity", "../scratch/key.txt"];
  await runKeeper(stack, ["verify", ...kept, ...identity, "--level", "restore"], 0);

  const [bad, good] = await published;
  const before = await gatewayState(stack);
  const reports = { bad: await reportPath("rolled-back"), good: await reportPath("passed") };
  const upgrade = ["upgrade-test", ...kept, "--soak", "3s", "--images"];
  say(
    "It is moved to a bad image, which ruins the data and fails its migration: it goes back by itself",
  );
  await runKeeper(stack, [...upgrade, `sophon-gateway=${bad}`, "--report-path", reports.bad], 6);
  await tell(stack, before.version);

  say("It is moved to a good image");
  await runKeeper(stack, [...upgrade, `sophon-gateway=${good}`, "--report-path", reports.good], 0);
  await tell(stack, "1.2.0");

  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  say(`Done in ${seconds} s. What was reported, as pages for a browser:`);
  console.log(`the rollback  ${reports.bad}\nthe upgrade   ${reports.good}`);
  console.log(
    "\nThe stack is removed now. The lab's engine and images stay: `npm run lab down` stops it.",
  );
}

/** Makes a key pair, of which the backups need only the public half. */
async function makeKey(stack: LabStack): Promise<string> {
  const identity = join(stack.scratch, "key.txt");
  await run(["age-keygen", "-o", identity]);
  return (await run(["age-keygen", "-y", identity])).trim();
}

/** Asks for the gateway's health 20 times a second meanwhile: the backup may not disturb it. */
async function backUp(stack: LabStack, flags: readonly string[]): Promise<void> {
  await using ledger = followLedger(stack);
  await using probes = prober(`${stack.gatewayUrl}/api/health`, 50);
  await runKeeper(stack, ["backup", ...flags], 0);
  const { probes: asked, failures } = await probes.stop();
  const written = await ledger.stop();
  console.log(`\n${written.length} writes were acknowledged meanwhile`);
  console.log(`${asked} health probes were sent, ${failures.length} failed`);
  if (failures.length > 0) throw new Error("the stack did not serve during its backup");
}

/** Runs the bundle in the project's directory, as a person would. */
async function runKeeper(
  { directory }: LabStack,
  args: readonly string[],
  expected: number,
): Promise<void> {
  console.log(`$ sophon-keeper ${args.join(" ")}\n`);
  const child = spawn(process.execPath, [keeper, ...args], {
    cwd: directory,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== expected) throw new Error(`exit code ${code} instead of ${expected}`);
}

async function tell(stack: LabStack, version: string): Promise<void> {
  const state = await gatewayState(stack);
  const rows = Object.entries(state.tables).map(([name, count]) => `${count} ${name}`);
  console.log(`\nNow version ${state.version} serves: ${rows.join(", ")}`);
  if (state.version !== version) throw new Error(`it should be version ${version}`);
}

/** Outside of the stack, which is removed. */
async function reportPath(name: string): Promise<string> {
  const path = await labPath("demo", `${tier}-${name}.html`);
  await rm(path, { force: true });
  return path;
}

function say(text: string): void {
  stepNumber += 1;
  console.log(`\n\n== ${stepNumber}. ${text}\n`);
}
