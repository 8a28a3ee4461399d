import { randomFillSync } from "node:crypto";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const ROWS = 40_000;
/** One in so many of files or rows changes in a night. */
const SHARE = 100;

/** Puts a database and a log beside the files of `makeData`. */
export function addDatabase(data: string): void {
  mkdirSync(join(data, "live"));
  writeFileSync(join(data, "live", "log"), "");
  const database = new DatabaseSync(join(data, "live", "app.db"));
  database.exec("CREATE TABLE events (id INTEGER PRIMARY KEY, body BLOB); BEGIN");
  const insert = database.prepare("INSERT INTO events (body) VALUES (?)");
  for (let row = 0; row < ROWS; row++) insert.run(randomFillSync(Buffer.alloc(600)));
  database.exec("COMMIT");
  database.close();
}

/**
 * What happens to the data between two backups: one small file in a hundred changes, some are new, renamed and removed, a
 * page changes in each of three larger ones, the log grows by 2,000 lines, and one row of a hundred changes. Deterministic but for the random content.
 */
export function passNight(data: string, night: number): void {
  const small = paths(join(data, "small"));
  small.forEach((path, at) => {
    if (at % SHARE === night % SHARE) writeFileSync(path, randomFillSync(Buffer.alloc(12_000)));
  });
  const folder = join(data, "small", `night-${night}`);
  mkdirSync(folder);
  for (let at = 0; at < 20; at++) {
    writeFileSync(join(folder, `${at}.bin`), randomFillSync(Buffer.alloc(10_000 + at)));
  }
  const [renamed = "", removed = ""] = [small[night * 31 + 7], small[night * 37 + 11]];
  renameSync(renamed, `${renamed}.renamed-${night}`);
  rmSync(removed);
  for (const path of paths(join(data, "medium")).slice(night * 3, night * 3 + 3)) {
    const content = readFileSync(path);
    randomFillSync(content, content.length >> 1, 4096);
    writeFileSync(path, content);
  }
  const lines = Array.from(
    { length: 2000 },
    (_, at) => `night ${night} request ${at} took ${at % 97} ms`,
  );
  appendFileSync(join(data, "live", "log"), `${lines.join("\n")}\n`);
  const database = new DatabaseSync(join(data, "live", "app.db"));
  database.exec("BEGIN");
  const update = database.prepare("UPDATE events SET body = ? WHERE id = ?");
  // Events of one time stand together, as they do where rows are found by their age.
  for (let row = 0; row < ROWS / SHARE; row++) {
    update.run(randomFillSync(Buffer.alloc(600)), 1 + (((night * ROWS) / SHARE + row) % ROWS));
  }
  database.exec("COMMIT");
  database.close();
}

/** The files below a directory, sorted. */
function paths(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
