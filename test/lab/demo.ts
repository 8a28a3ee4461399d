import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { LabStack } from "./lab-stack.ts";
import { followLedger } from "./ledger.ts";
import { prober } from "./prober.ts";
import { run } from "./run.ts";
import { createStack } from "./stack.ts";
import { labUp } from "./up.ts";

// `npm run demo`: the main job on a demo stack. A real Enterprise stack comes up, is written to, is backed
// up meanwhile by the committed bundle, and the backup is opened by hand with age, zstd and tar.

const keeper = join(import.meta.dirname, "..", "..", "dist", "cli.js");

await labUp();
say("An Enterprise stack comes up: gateway, dashboard, PostgreSQL, Qdrant, Redis, RabbitMQ.");
await using stack = await createStack({ tier: "enterprise", name: "demo", writers: true });
console.log(await stack.compose(["ps", "--format", "table {{.Service}}\t{{.Status}}"]));

const key = join(stack.scratch, "key.txt");
await run(["age-keygen", "--output", key]);
const recipient = (await run(["age-keygen", "-y", key])).trim();
const repository = join(stack.scratch, "repository");

say("Backed up while its writers keep writing to every store (health asked 20 times a second):");
const result = await backUp(stack);

say("The backup, as it lies in the repository:");
console.log(await run(["ls", "-l", result.path]));

say("Opened by hand, with nothing but age, zstd and tar:");
const archive = join(result.path, "data.tar.zst.age");
const command = `age -d -i ${key} ${archive} | zstd -d | tar -t`;
console.log(`$ ${command} | head`);
const names = (await run(["bash", "-o", "pipefail", "-c", command])).trim().split("\n");
console.log(`${names.slice(0, 10).join("\n")}\n... ${names.length} entries`);
if (!names.includes("./security/vault.key")) throw new Error("vault.key is not in the archive");
console.log("./security/vault.key is in it");

say("And the databases' dumps, read by PostgreSQL's own tool:");
const dump = join(stack.scratch, "sophon.dump");
const sealed = (await readdir(result.path)).find((name) => name.startsWith("postgres-sophon.dump"));
await run(["age", "-d", "-i", key, "-o", dump, join(result.path, sealed ?? "")]);
const postgres = await stack.containerId("postgres");
await run(["docker", "cp", "--quiet", dump, `${postgres}:/tmp/demo.dump`]);
const listing = await run(["docker", "exec", postgres, "pg_restore", "--list", "/tmp/demo.dump"]);
console.log(
  listing
    .split("\n")
    .filter((line) => line.includes("TABLE DATA"))
    .join("\n"),
);

say("The demo stack is taken down.");

interface BackupResult {
  readonly result: string;
  readonly path: string;
  readonly seconds: number;
}

async function backUp(demo: LabStack): Promise<BackupResult> {
  await using ledger = followLedger(demo);
  await using probes = prober(`${demo.gatewayUrl}/api/health`, 50);
  const child = spawn(
    process.execPath,
    [
      keeper,
      ...["backup", "--json", "--project-directory", demo.directory],
      ...["--repository", repository, "--recipients", recipient],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const outcome = JSON.parse(await text(child.stdout)) as BackupResult;
  if ((await code) !== 0) throw new Error(`the backup failed: ${JSON.stringify(outcome)}`);
  const { probes: asked, failures } = await probes.stop();
  const written = await ledger.stop();
  console.log(`\n${outcome.result} in ${outcome.seconds.toFixed(1)} s`);
  console.log(`${asked} health probes meanwhile, ${failures.length} failed`);
  console.log(`${written.length} writes acknowledged meanwhile, in every store`);
  if (failures.length > 0) throw new Error("the stack did not serve during its backup");
  return outcome;
}

function say(text: string): void {
  console.log(`\n== ${text}`);
}
