import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newKeyPair } from "../src/archive/age/keys.ts";
import { buildProgram, program } from "../test/lab/program.ts";
import { run } from "../test/lab/run.ts";
import { createStack } from "../test/lab/stack.ts";
import { makeData } from "./data.ts";
import { type Measured, machine, measure, median } from "./measure.ts";

/**
 * One file of 40 MB out of an encrypted backup beside a restore of all of it, both into a directory. `npm run bench --
 * one-file [--scale 10] [--rounds 3]`; scale 1 is 1 GB, and 0.3 the least. Needs the lab (`npm run lab up`), time, and room for three times the data.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});
/** The third of the large files of {@link makeData} has 40 MiB. */
const file = "bench/large/0/2.bin";

await buildProgram();
await using stack = await createStack({ tier: "personal", name: "bench-one-file" });
const at = (name: string): string => join(stack.scratch, name);
const made = makeData(join(stack.dataDir, "bench"), Number(values.scale));
await run(["chown", "-R", "--reference", stack.dataDir, join(stack.dataDir, "bench")]);
const { identity, recipient } = await newKeyPair();
writeFileSync(at("key"), `${identity}\n`, { mode: 0o600 });
console.log(
  `${machine(stack.dataDir)}; ${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB in the data directory`,
);

const keeper = (name: string, ...words: string[]): Measured =>
  measure({
    name,
    command: [
      ...[process.execPath, program, ...words, "--project-directory", stack.directory],
      ...["--repository", at("repository")],
    ],
  });
const lines = [
  "| what | seconds | CPU seconds | peak MB | of the whole |",
  "| --- | --- | --- | --- | --- |",
];
const row = (name: string, all: readonly Measured[], whole: number): void => {
  const seconds = median(all.map((one) => one.seconds));
  const cells = [
    seconds.toFixed(1),
    median(all.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
    Math.max(...all.map(({ peakMegabytes }) => peakMegabytes)).toFixed(0),
    `1/${(whole / seconds).toFixed(0)}`,
  ];
  lines.push(`| ${name} | ${cells.join(" | ")} |`);
};

keeper("backup", "backup", "--recipients", recipient);
const restore = (target: string, ...more: string[]): Measured =>
  keeper(target, "restore", "--identity", at("key"), "--target", at(target), ...more);
const [whole, one]: [Measured[], Measured[]] = [[], []];
for (let round = 0; round < Number(values.rounds); round += 1) {
  whole.push(restore("whole"));
  one.push(restore("one", "--path", `data/${file}`));
  const restored = readFileSync(at(`one/data/${file}`));
  if (!restored.equals(readFileSync(join(stack.dataDir, file)))) throw new Error("another file");
  for (const target of ["whole", "one"]) rmSync(at(target), { recursive: true });
}
const reference = median(whole.map(({ seconds }) => seconds));
row("`restore --target`: everything", whole, reference);
row(`\`restore --path\`: one file of 40 MiB`, one, reference);
console.log(lines.join("\n"));
