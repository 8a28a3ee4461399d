import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
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
 */
export function compare(candidates: readonly Candidate[], reference: string, rounds: number): void {
  const results = new Map<string, Measured[]>(candidates.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) results.get(candidate.name)?.push(measure(candidate));
  }
  console.log("| what | seconds | CPU seconds | peak MB | ratio |");
  console.log("| --- | --- | --- | --- | --- |");
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
    console.log(`| ${cells.join(" | ")} |`);
  }
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
