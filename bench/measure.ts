import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

/** One whole process, from start to exit. */
export interface Measured {
  readonly seconds: number;
  /** Processor time of it and its children. */
  readonly cpuSeconds: number;
  /** Of the largest process among it and its children. */
  readonly peakMegabytes: number;
}

/** Something to be timed. */
export interface Candidate {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Not timed; makes every round start alike. */
  readonly prepare?: () => void;
}

/** Times one process with GNU time. @throws when it fails. */
export function measure(candidate: Candidate): Measured {
  candidate.prepare?.();
  execFileSync("sync");
  const { status, stderr } = spawnSync(
    "/usr/bin/time",
    ["--format", "\n%e %U %S %M", ...candidate.command],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...candidate.environment } },
  );
  const text = stderr.toString().trim();
  if (status !== 0) throw new Error(`${candidate.name} failed: ${text}`);
  const [seconds = 0, user = 0, system = 0, kilobytes = 0] = (text.split("\n").at(-1) ?? "")
    .split(" ")
    .map(Number);
  return { seconds, cpuSeconds: user + system, peakMegabytes: kilobytes / 1000 };
}

/**
 * Times candidates in turn, so that a slow minute of the machine is everybody's, and prints a
 * table: medians, and the median of each round's ratio to the reference.
 *
 * @returns the table, too.
 */
export function compare(
  candidates: readonly Candidate[],
  reference: string,
  rounds: number,
): string {
  const results = new Map<string, Measured[]>(candidates.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) results.get(candidate.name)?.push(measure(candidate));
  }
  const lines = [
    "| what | seconds | CPU seconds | peak MB | ratio |",
    "| --- | --- | --- | --- | --- |",
  ];
  for (const [name, all] of results) {
    const ratios = all.map(
      ({ seconds }, at) => seconds / (results.get(reference)?.[at]?.seconds ?? 1),
    );
    const cells = [
      name,
      median(all.map(({ seconds }) => seconds)).toFixed(1),
      median(all.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
      Math.max(...all.map(({ peakMegabytes }) => peakMegabytes)).toFixed(0),
      median(ratios).toFixed(2),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  const table = lines.join("\n");
  console.log(table);
  return table;
}

/** Puts a text between the lines `<!-- NAME -->` and `<!-- /NAME -->` of a file. @throws Error if it has no such lines. */
export function fill(file: string, name: string, text: string): void {
  const before = readFileSync(file, "utf8");
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [head, rest] = before.split(begin);
  const tail = rest?.split(end)[1];
  if (tail === undefined) throw new Error(`${file} has no lines ${begin} and ${end}`);
  writeFileSync(file, `${head}${begin}\n\n${text}\n\n${end}${tail}`);
}

/** The machine in one line, with how busy it was: figures mean little without it. */
export function machine(directory: string): string {
  const [model] = cpus();
  const kernel = execFileSync("uname", ["-r"], { encoding: "utf8" }).trim();
  const disk = execFileSync("findmnt", ["-nro", "SOURCE,FSTYPE", "-T", directory], {
    encoding: "utf8",
  }).trim();
  const load = readFileSync("/proc/loadavg", "utf8").split(" ")[0];
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} cores (${model?.model}), ${memory} GiB, Linux ${kernel}, ${disk}, Node ${process.version}, load ${load} at the start`;
}

/** The middle of some figures. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [
    sorted[sorted.length % 2 === 0 ? middle - 1 : middle],
    sorted[middle],
  ];
  return (low + high) / 2;
}
