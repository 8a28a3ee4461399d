import { randomFillSync } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delta, preCopy } from "../src/rollback-copy/copy.ts";
import { putBack } from "../src/rollback-copy/put-back.ts";

/**
 * How long the writers stand still while the rollback copy is made exact: the delta over a tree of
 * about 1 GB in 21,000 files, with nothing changed, with one changed file in a hundred, and with
 * 8 KiB changed in each of sixteen files of 64 MiB. `node bench/delta.ts [parent directory]`.
 */
const base = mkdtempSync(join(process.argv[2] ?? tmpdir(), "sk-bench-delta-"));
const [source, copy] = [join(base, "source"), join(base, "copy")];
const page = Buffer.alloc(8192);
try {
  fill();
  report("pre-copy, first", (await preCopy(source, copy)).seconds);
  report("pre-copy, again", (await preCopy(source, copy)).seconds);
  for (let at = 0; at < 3; at += 1)
    report("delta, nothing changed", (await delta(source, copy)).seconds);
  for (let at = 0; at < 210; at += 1)
    writeFileSync(join(source, `d${at}`, "0"), randomFillSync(page));
  report("delta, 210 small files changed", (await delta(source, copy)).seconds);
  changePages();
  report("delta, 8 KiB in each of 16 x 64 MiB changed", (await delta(source, copy)).seconds);
  report("put back, nothing changed", (await putBack(copy, source)).seconds);
  for (let at = 0; at < 210; at += 1)
    writeFileSync(join(source, `d${at}`, "0"), randomFillSync(page));
  report("put back, 210 small files changed", (await putBack(copy, source)).seconds);
  changePages();
  report("put back, 8 KiB in each of 16 x 64 MiB changed", (await putBack(copy, source)).seconds);
} finally {
  rmSync(base, { recursive: true, force: true });
}

function fill(): void {
  const block = Buffer.alloc(48 * 1024);
  for (let directory = 0; directory < 400; directory += 1) {
    mkdirSync(join(source, `d${directory}`), { recursive: true });
    for (let file = 0; file < 52; file += 1) {
      randomFillSync(block, 0, 4096);
      writeFileSync(join(source, `d${directory}`, String(file)), block);
    }
  }
  mkdirSync(join(source, "large"));
  const large = randomFillSync(Buffer.alloc(64 * 2 ** 20));
  for (let file = 0; file < 16; file += 1)
    writeFileSync(join(source, "large", String(file)), large);
}

function changePages(): void {
  for (let file = 0; file < 16; file += 1) {
    const path = join(source, "large", String(file));
    const target = openSync(path, "r+");
    writeSync(target, randomFillSync(page), 0, page.length, 1_000_000 * (file + 1));
    closeSync(target);
  }
}

function report(what: string, seconds: number): void {
  console.log(`${seconds.toFixed(3).padStart(8)} s  ${what}`);
}
