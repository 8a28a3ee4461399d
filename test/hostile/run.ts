import { kinds } from "./kinds.ts";
import { openWorkshop } from "./try-kind.ts";

// `npm run hostile` tries every hostile and unlucky input; `npm run hostile -- WORDS` those whose names have these words.

const words = process.argv.slice(2);
await using workshop = await openWorkshop();
const startMs = performance.now();
let tried = 0;
let short = 0;
for (const kind of kinds) {
  const rows = kind.rows.filter(({ name }) =>
    words.every((word) => `${kind.name}: ${name}`.includes(word)),
  );
  if (rows.length === 0) continue;
  const missing = kind.missing?.();
  if (missing !== undefined) {
    console.log(`skipped      ${kind.name}: ${missing}`);
    continue;
  }
  const shorts = await workshop.tryRows(rows, ({ row, problems }) => {
    console.log(`FELL SHORT   ${kind.name}: ${row.name}`);
    for (const problem of problems) console.log(`             ${problem}`);
  });
  tried += rows.length;
  short += shorts.length;
  const word = shorts.length === 0 ? "ok          " : "FELL SHORT  ";
  console.log(`${word} ${kind.name}: ${rows.length} tried, ${shorts.length} fell short`);
}
const seconds = Math.round((performance.now() - startMs) / 1000);
console.log(`${tried} tried, ${short} fell short (${seconds} s)`);
process.exitCode = short === 0 ? 0 : 1;
