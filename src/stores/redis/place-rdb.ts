import { createWriteStream } from "node:fs";
import { lchown, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import type { NamedTask } from "../../core/task.ts";
import { fsyncDirectory, fsyncFile } from "../../core/temp.ts";
import type { Component } from "../../model/manifest.ts";
import { openComponent, type SourceOptions } from "../reader.ts";

/** Where to write an RDB so that the server loads it. */
interface PlaceRdbParams {
  readonly source: SourceOptions;
  readonly component: Component;
  /** The server's volume on the host: empty, and owned by the server's user. */
  readonly directory: string;
}

/**
 * Writes an RDB into an empty Redis volume. If the append-only file is enabled, the RDB becomes its base, because the
 * server would ignore `dump.rdb` and start empty. Otherwise it becomes `dump.rdb`.
 *
 * @throws Error when the RDB cannot be read or written.
 */
export const placeRdb: NamedTask<PlaceRdbParams, null> = {
  name: "redis.place",
  run: async (params, { signal }) => {
    const { details } = params.component;
    const text = (name: string) => String(details[name]);
    const inside = relative(text("mountTarget"), text("directory"));
    for (const name of ["dbFileName", "appendDirectory", "appendFileName"]) {
      if (details[name] !== undefined) requireName(text(name));
    }
    if (inside.split(sep).includes("..")) requireName(inside);
    const home = join(params.directory, inside);
    const owner = await stat(params.directory);
    const made = [await mkdir(home, { recursive: true })];
    const [appends, directory] = [details.appendOnly === true, text("appendDirectory")];
    const isListed = appends && directory !== "";
    const target = appends ? join(home, directory) : home;
    if (directory !== "") await rm(join(home, directory), { recursive: true, force: true });
    else await rm(join(home, text("appendFileName")), { force: true });
    await rm(join(home, text("dbFileName")), { force: true });
    made.push(await mkdir(target, { recursive: true }));
    const base = `${text("appendFileName")}.1.base.rdb`;
    // Before version 7 the append-only file itself begins with an RDB.
    const single = appends ? text("appendFileName") : text("dbFileName");
    const rdb = join(target, isListed ? base : single);
    const plain = openComponent(params.source, params.component, signal);
    await pipeline(plain, createWriteStream(rdb, { mode: 0o600, flags: "wx" }));
    await lchown(rdb, owner.uid, owner.gid);
    await fsyncFile(rdb);
    if (isListed) {
      const list = join(target, `${text("appendFileName")}.manifest`);
      await writeFile(list, `file ${base} seq 1 type b\n`, { mode: 0o600, flag: "wx" });
      await lchown(list, owner.uid, owner.gid);
      await fsyncFile(list);
    }
    const fresh = made.flatMap((first) => (first === undefined ? [] : between(first, target)));
    for (const path of fresh) await lchown(path, owner.uid, owner.gid);
    // If the append-only directory were lost in a power cut, the server would start with an empty database.
    for (const path of new Set([target, ...fresh, home, params.directory]))
      await fsyncDirectory(path);
    return null;
  },
};

/** Names in a manifest may come from elsewhere, and root removes what they name. */
function requireName(name: string): void {
  if (/^[^/\0]+$/.test(name) && name !== "." && name !== "..") return;
  throw new Error(
    `the manifest has the file name ${JSON.stringify(name)}, which leads out of the volume`,
  );
}

/** The directories from `first` down to `last`. */
function between(first: string, last: string): string[] {
  return last === first ? [last] : [...between(first, dirname(last)), last];
}
