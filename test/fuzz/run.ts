import { temporaryDirectory } from "../../src/core/temp.ts";
import { fuzz } from "./fuzz.ts";
import { targetsIn } from "./targets.ts";

// `npm run fuzz -- TARGET --minutes N` reads mutated inputs for so long, `--seed S` from a seed on. Without a target: all.

const words = process.argv.slice(2);
const numberOf = (flag: string, otherwise: number) => {
  const at = words.indexOf(flag);
  if (at < 0) return otherwise;
  const [, value] = words.splice(at, 2);
  return Number(value);
};
const minutes = numberOf("--minutes", 1);
const first = numberOf("--seed", Date.now() % 2 ** 31);
await using temporary = await temporaryDirectory("sophon-keeper-fuzz-");
const all = targetsIn(temporary.path);
const chosen = words.length === 0 ? all : all.filter(({ name }) => words.includes(name));
if (chosen.length === 0 || !(minutes > 0)) {
  throw new Error(
    `npm run fuzz -- TARGET --minutes N, with ${all.map(({ name }) => name).join(", ")}`,
  );
}
for (const target of chosen) {
  const milliseconds = (minutes * 60_000) / chosen.length;
  const { runs, finding } = await fuzz(target, { first, milliseconds });
  console.log(
    `${finding === undefined ? "ok    " : "FAILED"} ${target.name}: ${runs} inputs from seed ${first}`,
  );
  if (finding === undefined) continue;
  process.exitCode = 1;
  const { seed, problem, input } = finding;
  console.log(`  seed ${seed}: ${problem}`);
  console.log(`  smallest input (${input.length} bytes, base64): ${input.toString("base64")}`);
}
