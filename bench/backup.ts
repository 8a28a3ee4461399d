import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newKeyPair } from "../src/archive/age/keys.ts";
import { bundledStep } from "./bundle.ts";
import { makeData } from "./data.ts";
import { type Candidate, compare, machine } from "./measure.ts";

/**
 * Our archive of a data directory, encrypted and hashed and fsynced, against what a person would
 * type and against restic's and borg's first backup. `npm run bench -- backup [--scale 1]
 * [--rounds 5] [--directory /tmp] [--only ours,zstd]`. Needs zstd, restic, borgbackup and time.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    directory: { type: "string", default: tmpdir() },
    only: { type: "string", default: "ours,zstd,gzip,restic,borg" },
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
} finally {
  rmSync(base, { recursive: true, force: true });
}
