import { parseArgs } from "node:util";
import { backedUp, rehearse } from "../test/e2e/rehearse-lab.ts";
import { upgrade } from "../test/e2e/upgrade-lab.ts";
import { buildProgram } from "../test/lab/program.ts";
import { createStack } from "../test/lab/stack.ts";
import { type GatewayVersion, goodVersions } from "../test/lab/versions.ts";
import { machine } from "./measure.ts";

/**
 * How far the downtime that a rehearsal predicts is from that of the live upgrade that follows. `npm run bench -- prediction
 * [--tier personal] [--rounds 20]`. Allowed is the larger of 3 s and 20 % of the actual downtime. Needs the lab:
 * `npm run lab up`.
 */
const { values } = parseArgs({
  options: {
    tier: { type: "string", default: "personal" },
    rounds: { type: "string", default: "20" },
  },
});
const leastSeconds = 3;
const share = 0.2;

await buildProgram();
const tier = values.tier === "pro" || values.tier === "enterprise" ? values.tier : "personal";
await using stack = await createStack({ tier, name: "bench-prediction" });
console.log(`${machine(stack.dataDir)}; ${tier}`);
console.log("round  predicted  actual  difference  allowed");
let outside = 0;
const migrations: GatewayVersion["migrations"][number][] = [...goodVersions["1.2.0"].migrations];
for (let round = 1; round <= Number(values.rounds); round++) {
  // Every other round migrates; none goes back behind the migrations of an earlier one.
  if (round > 1 && round % 2 === 1) {
    const [id, table] = [
      `20260101${String(round).padStart(6, "0")}_Round${round}`,
      `Round${round}`,
    ];
    migrations.push({ id, sql: [`CREATE TABLE "${table}" ("Id" INTEGER)`] });
  }
  const version = `1.2.0-round-${round}`;
  const reference = await stack.publish({ version, migrations: [...migrations] });
  await backedUp(stack);
  const rehearsed = await rehearse(stack, reference).done;
  if (rehearsed.code !== 0) throw new Error(rehearsed.stderr);
  const live = await upgrade(stack, reference, "--require-rehearsal", "1d").done;
  if (live.code !== 0) throw new Error(live.stderr);
  const { predicted, downtimeSeconds: actual } = live.result as unknown as {
    readonly predicted: { readonly downtimeSeconds: number };
    readonly downtimeSeconds: number;
  };
  const difference = Math.abs(actual - predicted.downtimeSeconds);
  const allowed = Math.max(leastSeconds, share * actual);
  if (difference > allowed) outside += 1;
  const cells = [round, predicted.downtimeSeconds, actual, difference, allowed];
  console.log(cells.map((value, at) => value.toFixed(at === 0 ? 0 : 1).padStart(9)).join(""));
}
console.log(`${outside} of ${values.rounds} differ by more than is allowed`);
process.exitCode = outside === 0 ? 0 : 1;
