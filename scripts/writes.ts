import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The only files in `src/` that write files themselves, and into whose directory. All others use `replaceFile`, `createFile` and their
 * siblings in `src/core/durable.ts`, which are safe where another user may plant links.
 */
const writers: Readonly<Record<string, string>> = {
  "archive/write-archive.ts": "an unfinished backup, in the repository",
  "core/durable.ts": "the helper itself",
  "destinations/cache.ts": "a directory in the workspace that it has just made, exclusively",
  "destinations/remote.ts": "an unfinished backup, in the repository",
  "destinations/s3/promises.ts": "what a bucket promised, in the repository",
  "destinations/rclone-store.ts": "a temporary directory",
  "destinations/pipe.ts": "a pipe in a temporary directory",
  "archive/delta/index-file.ts": "an index, in an unfinished backup",
  "archive/delta/member-file.ts": "a part of an index, in an unfinished backup",
  "operations/backup/create.ts": "an unfinished backup, in the repository",
  "operations/backup/increment.ts": "an index, in an unfinished backup",
  "operations/clone/clone.ts": "a temporary directory of a clone",
  "operations/clone/inline-files.ts": "a temporary directory of a clone",
  "operations/doctor/file-systems.ts":
    "two files without a name, which are gone when they are closed",
  "operations/live-stack/copied-grants.ts": "a temporary directory",
  "operations/live-stack/definition.ts": "a temporary directory",
  "operations/live-stack/image-pins.ts": "work files, in the repository",
  "operations/live-stack/pin-trial.ts": "a directory in work files, in the repository",
  "operations/live-stack/shell-variables.ts": "work files, in the repository",
  "operations/manual/restore-redis.ts": "a directory of root that it has just made, exclusively",
  "operations/off-host/fetch.ts": "an unfinished backup, in the repository",
  "operations/rehearse/checkout.ts": "a temporary directory",
  "operations/restore/uploaded-backup.ts": "an unfinished backup, in the repository",
  "operations/session/journal-file.ts": "journals, in the repository",
  "operations/verify/sealed-manifest.ts": "a signature that was brought back, in the repository",
  "operations/upgrade/roll-back.ts": "what failed, in the repository",
  "repository/proven-sums.ts": "sums beside the indexes, in the repository",
  "repository/repository.ts": "marks, in the repository",
  "rollback-copy/blocks.ts": "a rollback copy, in a directory of root",
  "rollback-copy/index.ts": "a rollback copy, in a directory of root",
  "stack/scratch.ts": "a temporary directory of a clone",
  "stores/postgres/globals.ts": "a temporary directory of a backup",
  "stores/sqlite/sqlite.ts": "a copy, in an unfinished backup",
  "stores/redis/place-rdb.ts": "an emptied volume of a stopped server, exclusively",
  "stores/stack-files/pack.ts": "a temporary directory of a backup",
  "stores/tree/replace-file.ts": "an empty file in the place of a missing one, whose inode stays",
  "stores/tree/extract.ts": "a directory that is filled before it takes its place",
};

const imported =
  /\b(writeFile|writeFileSync|createWriteStream|copyFile|copyFileSync|appendFile|appendFileSync)\b/;
const opened = /\bopen(Sync)?\([^)]*("(w|a|r\+|wx)\+?"|O_CREAT|O_TRUNC)/;

/** Files in `src/` that write files without standing in the table, and rows that are no longer true. */
export function writeProblems(root: string): string[] {
  const found = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter(
    (path) => {
      if (!path.endsWith(".ts")) return false;
      const text = readFileSync(join(root, "src", path), "utf8");
      return imported.test(text) || opened.test(text);
    },
  );
  const added = found.filter((path) => writers[path] === undefined);
  const gone = Object.keys(writers).filter((path) => !found.includes(path));
  return [
    ...added.map((path) => `src/${path} writes a file: use replaceFile, or add it to writes.ts`),
    ...gone.map((path) => `writes.ts names ${path}, which writes no file`),
  ];
}
