import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newKeyPair } from "../src/archive/age/keys.ts";
import { packArguments } from "../src/archive/tar/gnu-tar.ts";
import { bundledStep } from "./bundle.ts";
import { makeData } from "./data.ts";
import { type Candidate, compare, machine, measure, median } from "./measure.ts";

/**
 * Our archive of a data directory, encrypted and hashed and fsynced, against what a person would
 * type and against restic's and borg's first backup. `npm run bench -- backup [--scale 1]
 * [--rounds 5] [--directory /tmp] [--only ours,zstd] [--parts]`. Needs zstd, restic, borgbackup and time.
 *
 * With `--parts` also the processor time of each part alone: their sum is what no arrangement of them goes below.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    directory: { type: "string", default: tmpdir() },
    only: { type: "string", default: "ours,zstd,gzip,restic,borg" },
    parts: { type: "boolean", default: false },
  },
});
const REFERENCE = '`tar -I "zstd -3 -T0"`';
const base = mkdtempSync(join(values.directory, "sk-bench-"));
const [data, out] = [join(base, "data"), join(base, "out")];
const { recipient } = await newKeyPair();
const step = await bundledStep(join(base, "step"));
const fresh = (): void => rmSync(out, { recursive: true, force: true });
const secrets = { RESTIC_PASSWORD: "bench", BORG_PASSPHRASE: "bench", XDG_CACHE_HOME: base };
const initialised = (command: string, words: string[]) => (): void => {
  fresh();
  execFileSync(command, words, {
    env: { ...process.env, ...secrets, HOME: base },
    stdio: "ignore",
  });
};

const candidates: Record<string, Candidate> = {
  ours: {
    name: "sophon-keeper's archive: encrypted, hashed, fsynced",
    command: [...step, "pack", data, out, recipient],
    prepare: fresh,
  },
  zstd: {
    name: REFERENCE,
    command: ["tar", "-I", "zstd -3 -T0", "-cf", out, "-C", data, "."],
    prepare: fresh,
  },
  gzip: {
    name: "`tar czf`",
    command: ["tar", "czf", out, "-C", data, "."],
    prepare: fresh,
  },
  restic: {
    name: "restic, first backup",
    command: ["restic", "--repo", out, "backup", "--quiet", data],
    environment: { ...secrets, HOME: base },
    prepare: initialised("restic", ["--repo", out, "init"]),
  },
  borg: {
    name: "borg, first backup",
    command: ["borg", "create", `${out}::one`, data],
    environment: { ...secrets, HOME: base },
    prepare: initialised("borg", ["init", "--encryption=repokey", out]),
  },
};

try {
  const made = makeData(data, Number(values.scale));
  console.log(`${machine(base)}; ${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB\n`);
  const chosen = values.only.split(",").flatMap((name) => candidates[name] ?? []);
  compare(chosen, REFERENCE, Number(values.rounds));
  if (values.parts) reportParts();
} finally {
  rmSync(base, { recursive: true, force: true });
}

function reportParts(): void {
  const [tar, empty] = [join(base, "data.tar"), join(base, "empty")];
  mkdirSync(empty);
  const into = openSync(tar, "wx");
  execFileSync("tar", packArguments({ directory: data }), { stdio: ["ignore", into, "inherit"] });
  closeSync(into);
  const seconds = new Map<string, number[]>();
  const add = (part: string, cpuSeconds: number): void => {
    seconds.set(part, [...(seconds.get(part) ?? []), cpuSeconds]);
  };
  const spent = (...words: string[]): number =>
    measure({ name: words[0] ?? "", command: [...step, ...words], prepare: fresh }).cpuSeconds;
  for (let round = 0; round < Number(values.rounds); round++) {
    add("Node and its threads", spent("pack", empty, out, recipient));
    add("tar, and reading its output", spent("read", data) - spent("read", empty));
    fresh();
    const [node = "", ...script] = step;
    const parts = execFileSync(node, [...script, "parts", tar, out, recipient], {
      encoding: "utf8",
    });
    for (const [part, cpuSeconds] of Object.entries<number>(JSON.parse(parts)))
      add(part, cpuSeconds);
  }
  const rows = [...seconds].map(([part, all]) => [part, median(all)] as const);
  const sum = rows.reduce((total, [, cpuSeconds]) => total + cpuSeconds, 0);
  console.log("\n| part alone | CPU seconds |\n| --- | --- |");
  for (const [part, cpuSeconds] of [...rows, ["sum", sum] as const]) {
    console.log(`| ${part} | ${cpuSeconds.toFixed(2)} |`);
  }
}
