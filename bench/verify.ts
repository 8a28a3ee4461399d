import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newKeyPair } from "../src/archive/age/keys.ts";
import { bundledStep } from "./bundle.ts";
import { makeData } from "./data.ts";
import { compare, machine } from "./measure.ts";

/**
 * Reading an archive back against the tools: checksum, contents, restore. `npm run bench -- verify
 * [--scale 1] [--rounds 5] [--directory /tmp]`. Needs age, zstd and time, and room for two copies of
 * the data a round.
 */
const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    directory: { type: "string", default: tmpdir() },
  },
});
const base = mkdtempSync(join(values.directory, "sk-bench-"));
const [data, file, key, into] = ["data", "data.tar.zst.age", "key.txt", "into"].map((name) =>
  join(base, name),
) as [string, string, string, string];
const step = await bundledStep(join(base, "step"));
const ours = (...words: string[]) => [...step, ...words];
const bash = (line: string) => ["bash", "-o", "pipefail", "-c", line];
const opened = `age -d -i ${key} ${file} | zstd -d`;
let used = 0;
// What was unpacked stays until the end: ext4 searches long for an inode where many were just deleted.
const emptied = (): void => {
  if (existsSync(into)) renameSync(into, `${into}-${used++}`);
  mkdirSync(into);
};

try {
  const { identity, recipient } = await newKeyPair();
  writeFileSync(key, `${identity}\n`);
  const made = makeData(data, Number(values.scale));
  execFileSync(process.execPath, ours("pack", data, file, recipient).slice(1));
  rmSync(data, { recursive: true });
  console.log(`${machine(base)}; ${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB`);
  const rounds = Number(values.rounds);
  const pairs: [string, string[], string, string[]][] = [
    ["checksum", ours("checksum", file), "`sha256sum`", ["sha256sum", file]],
    [
      "contents",
      ours("contents", file, key),
      "`age -d | zstd -d | tar t`",
      bash(`${opened} | tar t`),
    ],
    [
      "restore",
      ours("unpack", file, key, into),
      "`age -d | zstd -d | tar x`",
      bash(`${opened} | tar --numeric-owner --xattrs --xattrs-include='*' -xp -C ${into}`),
    ],
  ];
  for (const [name, command, tool, line] of pairs) {
    console.log("");
    const reference = { name: tool, command: line, prepare: emptied };
    compare([{ name, command, prepare: emptied }, reference], tool, rounds);
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
