import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../core/durable.ts";
import { readRegularFile } from "../core/regular-file.ts";
import { parseRunRecord, type RunRecord } from "../model/run-record.ts";
import type { Repository } from "./repository.ts";

const historyFile = "history.jsonl";
const limitBytes = 64 * 2 ** 20;

/** A file that is larger is cut to its newer half: about twenty years of nights. */
const roomBytes = 4 * 2 ** 20;

/**
 * Adds one run to the history of a repository. Runs may write at the same time: a line is written at once, and one that a
 * power failure tore is left out by {@link readHistory}.
 *
 * @throws the error of the file system.
 */
export function appendHistory({ path }: Pick<Repository, "path">, record: RunRecord): void {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const file = openSync(join(path, historyFile), flags, 0o600);
  try {
    // A line that was torn before stays alone.
    const { size } = fstatSync(file);
    writeSync(file, `${size === 0 ? "" : "\n"}${JSON.stringify(record)}\n`);
    // One that is larger than any is not of this program.
    if (size > limitBytes) ftruncateSync(file);
    else if (size > roomBytes) shorten(join(path, historyFile));
  } finally {
    closeSync(file);
  }
}

/** The remembered runs, oldest first; none if there is no history or it cannot be read. */
export async function readHistory({ path }: Pick<Repository, "path">): Promise<RunRecord[]> {
  const text = await readRegularFile(join(path, historyFile), limitBytes).catch(() => "");
  const records = text.split("\n").map(parseRunRecord);
  return records
    .filter((record) => record !== undefined)
    .toSorted((a, b) => (a.at < b.at ? -1 : 1));
}

/** Leaves out the older half. */
function shorten(path: string): void {
  const text = readFileSync(path, "utf8");
  const half = text.slice(text.length / 2);
  replaceFile(path, half.slice(half.indexOf("\n") + 1), { followsLinks: false });
}
