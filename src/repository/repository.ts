import { existsSync } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { makeDirectorySync } from "../core/durable.ts";
import { RefusedError } from "../core/errors.ts";
import { sha256Hex } from "../core/hash.ts";
import { readRegularFile } from "../core/regular-file.ts";
import { fsyncDirectory } from "../core/temp.ts";
import { isBackupId } from "../model/backup-id.ts";
import {
  ancestorsOf,
  basesOf,
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  parseManifest,
  sealedManifestFile,
} from "../model/manifest.ts";
import { type Marks, parseMarks, provenRemotes } from "../model/marks.ts";
import { statusOf } from "./checksum.ts";
import { forgetFailed } from "./failed-content.ts";

export const partialPrefix = ".partial-";
const marksLimitBytes = 2 ** 20;

const incomingMs = 24 * 60 * 60 * 1000;

/** A complete backup in the repository, not verified. */
export interface StoredBackup {
  readonly id: string;
  readonly path: string;
  /** Undefined if the manifest is missing or unreadable; `problem` says why. */
  readonly manifest: Manifest | undefined;
  readonly manifestSha256: string | undefined;
  /** An obvious problem: no readable manifest, or a file that is missing or has another size. */
  readonly problem: string | undefined;
  /** The problem lies with this host or this version: nothing is known to be wrong with the backup. */
  readonly isUnknown?: boolean;
  /** Sum of the files' sizes in bytes. */
  readonly bytes: number;
  /** The backups without which it cannot be read, the parent first; undefined if nothing here tells them. */
  readonly ancestors: readonly string[] | undefined;
  /** Undefined if never verified, if the marks belong to another manifest, or with a `problem`. */
  readonly marks: Marks | undefined;
}

/**
 * The backups of one stack on this host: `backups/<id>/`, `marks/<id>.json`, `operations/`.
 * All directories have mode 0700. A name in `backups/` without the `.partial-` prefix is complete.
 */
export class Repository {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  get operations(): string {
    return join(this.path, "operations");
  }

  /** Directory for clear text of backups that are read. Created on demand; every run removes what killed ones left. */
  get clear(): string {
    return join(this.path, "clear");
  }

  /** Directory for what a failed version of an upgrade left, by the id of the operation and of its backup. */
  failed(id: string): string {
    return join(this.path, "failed", id);
  }

  /** Directory for the original texts of files that an operation edits. They may contain secrets. Created on demand. */
  work(kind: "upgrades" | "restores", operationId: string): string {
    return join(this.path, kind, operationId);
  }

  /** Removes those texts of one operation, or of all, after their journals have ended. */
  async forgetWork(operationId = "."): Promise<void> {
    for (const kind of ["upgrades", "restores"] as const) {
      await rm(this.work(kind, operationId), { recursive: true, force: true });
    }
  }

  directory(id: string): string {
    return join(this.path, "backups", id);
  }

  /** Where the indexes of a backup lie, for later ones that are made from it. They never leave this host. */
  index(id: string): string {
    return join(this.path, "index", id);
  }

  /** Removes the indexes of all backups but these. */
  async forgetIndexes(but: readonly string[]): Promise<void> {
    const names = await readdir(join(this.path, "index")).catch(() => []);
    for (const name of names) {
      if (!but.includes(name)) await rm(this.index(name), { recursive: true, force: true });
    }
  }

  /** @throws RefusedError if the repository is inside a path that is backed up. An empty repository is then removed. */
  async refuseInside(backedUp: readonly string[]): Promise<void> {
    const inside = backedUp.find((path) =>
      `${this.path}${sep}`.startsWith(`${resolve(path)}${sep}`),
    );
    if (inside === undefined) return;
    for (const part of ["backups", "marks", "operations", "."]) {
      // Directories that are not empty stay.
      await rmdir(resolve(this.path, part)).catch(() => undefined);
    }
    throw new RefusedError(
      `repository: ${this.path} lies inside ${inside}, which is backed up; choose a path outside of it`,
    );
  }

  /** Creates the directories of the repository. @throws RefusedError if they cannot be written. */
  async create(): Promise<void> {
    try {
      for (const part of ["backups", "marks", "operations"]) {
        makeDirectorySync(join(this.path, part), 0o700);
      }
    } catch (cause) {
      throw new RefusedError(
        `repository: ${this.path} cannot be written; give a directory of this user with \`repository\``,
        { cause },
      );
    }
  }

  /** Creates the directory of an unfinished backup. */
  async begin(id: string): Promise<string> {
    const path = this.directory(partialPrefix + id);
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  /**
   * Turns a finished `.partial-` directory into a backup. Everything in it must already be fsynced.
   *
   * @returns the backup's directory.
   */
  async finish(id: string): Promise<string> {
    const partial = this.directory(partialPrefix + id);
    await fsyncDirectory(partial);
    await rename(partial, this.directory(id));
    await fsyncDirectory(join(this.path, "backups"));
    return this.directory(id);
  }

  /** Where a backup is brought back to from elsewhere, file by file. What is there is continued by a later run. */
  async incoming(id: string): Promise<string> {
    const path = join(this.path, "incoming", id);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Removes what interrupted runs brought back and no run has continued for a day. */
  async forgetIncoming(now: Date): Promise<void> {
    const all = join(this.path, "incoming");
    for (const id of await readdir(all).catch(() => [])) {
      const directory = join(all, id);
      const files = await readdir(directory).catch(() => []);
      const times = await Promise.all(
        [directory, ...files.map((name) => join(directory, name))].map(
          async (path) => (await lstat(path).catch(() => undefined))?.mtimeMs ?? 0,
        ),
      );
      if (now.getTime() - Math.max(...times) < incomingMs) continue;
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Turns what was brought back as a whole into a backup. Everything in it must already be fsynced. */
  async adopt(id: string): Promise<void> {
    const path = await this.incoming(id);
    await fsyncDirectory(path);
    try {
      await rename(path, this.directory(id));
    } catch (error) {
      // Another run was first: its files are the same.
      if (!existsSync(join(this.directory(id), manifestFile))) throw error;
      await rm(path, { recursive: true, force: true });
    }
    await fsyncDirectory(join(this.path, "backups"));
  }

  /** Removes the remains of an unfinished backup or of an unfinished removal. */
  async discard(id: string): Promise<void> {
    const partial = this.directory(partialPrefix + id);
    if (!existsSync(this.directory(id))) await rm(this.index(id), { recursive: true, force: true });
    if (!existsSync(partial)) return;
    // Remove the marks first: the next run finds an interrupted removal by its directory. An unfinished backup has no marks.
    await this.forget(id);
    await rm(partial, { recursive: true, force: true });
  }

  /** Removes the marks of a backup that is not in this repository, unless they tell of a copy off this host. */
  async forget(id: string): Promise<void> {
    await rm(`${this.#marksPath(id)}.new`, { force: true });
    const isElsewhere = provenRemotes(await this.marksOf(id)).length > 0;
    if (existsSync(this.directory(id)) || isElsewhere) return;
    await rm(this.#marksPath(id), { force: true });
  }

  /** Ids of unfinished backups. */
  async partials(): Promise<string[]> {
    return (await this.#names())
      .filter((name) => name.startsWith(partialPrefix))
      .map((name) => name.slice(partialPrefix.length));
  }

  /** Every complete backup, newest first; none if the repository is empty or missing. */
  async list(): Promise<StoredBackup[]> {
    const ids = (await this.#names()).filter(isBackupId);
    const backups = await Promise.all(ids.map((id) => this.#readUnlessRemoved(id)));
    return backups
      .filter((backup) => backup !== undefined)
      .toSorted((a, b) => (stamp(a.id) < stamp(b.id) ? 1 : -1));
  }

  /** Listing takes no lock: a backup that is removed meanwhile is left out; it is neither damaged nor an error. */
  async #readUnlessRemoved(id: string): Promise<StoredBackup | undefined> {
    try {
      const backup = await this.read(id);
      return existsSync(backup.path) ? backup : undefined;
    } catch (error) {
      if (existsSync(this.directory(id))) throw error;
      return undefined;
    }
  }

  /** Reads one backup. */
  async read(id: string): Promise<StoredBackup> {
    const path = this.directory(id);
    const files = await namesIn(path);
    if (files === undefined) {
      const nothing = { manifest: undefined, manifestSha256: undefined, marks: undefined };
      const problem = "it is not a directory";
      return { id, path, bytes: 0, ...nothing, ancestors: [], problem };
    }
    const sizeOf = async (file: string) => [file, (await lstat(join(path, file))).size] as const;
    const sizes = new Map(await Promise.all(files.map(sizeOf)));
    const base = { id, path, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
    try {
      const text = await readRegularFile(join(path, manifestFile), manifestLimitBytes);
      const manifestSha256 = sha256Hex(text);
      const marks = await this.marksOf(id);
      const manifest = parseManifest(text);
      const ancestors = ancestorsOf(manifest);
      const problem = sizeProblem(manifest, sizes) ?? (await this.#ancestorProblem(manifest));
      const counts = problem === undefined && marks?.manifestSha256 === manifestSha256;
      const found = { ...base, manifest, manifestSha256, ancestors, problem };
      return { ...found, marks: counts ? marks : undefined };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      const nothing = { manifest: undefined, manifestSha256: undefined, marks: undefined };
      const isUnknown = statusOf(error) === "unverifiable";
      // The marks tell it, too.
      const ancestors = (await this.marksOf(id))?.needs;
      return { ...base, ...nothing, ancestors, problem, isUnknown };
    }
  }

  /** The first file of an ancestor that is missing or has another size. */
  async #ancestorProblem(manifest: Manifest): Promise<string | undefined> {
    for (const id of ancestorsOf(manifest)) {
      if (!existsSync(join(this.directory(id), manifestFile)))
        return `needs ${id}, which is missing`;
    }
    for (const { backup, file, bytes } of manifest.components.flatMap(basesOf)) {
      const size = await lstat(join(this.directory(backup), file)).then(
        (info) => info.size,
        () => undefined,
      );
      if (size === bytes) continue;
      const wrong = size === undefined ? "is missing" : `has ${size} bytes instead of ${bytes}`;
      return `needs ${backup}, whose ${file} ${wrong}`;
    }
    return undefined;
  }

  /** Writes the marks of a backup, atomically and durably. */
  async mark(id: string, wanted: Marks): Promise<void> {
    const path = this.#marksPath(id);
    const marks = { ...wanted, ...(await this.#needsOf(id)) };
    const handle = await open(`${path}.new`, "w", 0o600);
    try {
      await writeFile(handle, `${JSON.stringify(marks, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${path}.new`, path);
    await fsyncDirectory(join(this.path, "marks"));
  }

  /** What a backup of this repository needs, if it was made with `incremental`. */
  async #needsOf(id: string): Promise<Pick<Marks, "needs">> {
    if (!existsSync(join(this.directory(id), manifestFile))) return {};
    const { manifest, ancestors } = await this.read(id);
    return manifest?.serial === undefined ? {} : { needs: [...(ancestors ?? [])] };
  }

  /** Removes a backup and its marks. An interrupted removal leaves nothing that counts as a backup. */
  async remove(id: string): Promise<void> {
    // Renamed first: a half-removed directory must not look like a complete backup.
    await rename(this.directory(id), this.directory(partialPrefix + id));
    // This must also hold after a power failure.
    await fsyncDirectory(join(this.path, "backups"));
    await this.discard(id);
    await forgetFailed(this, [id]);
  }

  /** The marks of a backup, even if they belong to another manifest; {@link read} leaves such marks out. */
  async marksOf(id: string): Promise<Marks | undefined> {
    try {
      return parseMarks(await readRegularFile(this.#marksPath(id), marksLimitBytes));
    } catch {
      // With unreadable marks the backup counts as not verified.
      return undefined;
    }
  }

  /** The ids of all backups with marks, also of those that are not in this repository any more. */
  async markedIds(): Promise<string[]> {
    const names = await readdir(join(this.path, "marks")).catch(() => []);
    return names
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length))
      .filter(isBackupId);
  }

  #marksPath(id: string): string {
    return join(this.path, "marks", `${id}.json`);
  }

  async #names(): Promise<string[]> {
    const path = join(this.path, "backups");
    try {
      const names = await namesIn(path);
      if (names !== undefined) return names;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    throw new RefusedError(
      `repository: ${path} is not a directory: give the directory of the backups`,
      { class: "not-a-repository" },
    );
  }
}

/** The names in a directory; undefined for what is none. */
async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

/** The first file that is missing or has another size. It reads no content, so every list can check it. */
function sizeProblem(
  { components, sealed }: Manifest,
  sizes: ReadonlyMap<string, number>,
): string | undefined {
  const own = sealed === undefined ? [] : [{ file: sealedManifestFile, ...sealed }];
  const wrong = [...components, ...own].find(({ file, bytes }) => sizes.get(file) !== bytes);
  if (wrong === undefined) return undefined;
  const size = sizes.get(wrong.file);
  return size === undefined
    ? `${wrong.file} is missing`
    : `${wrong.file} has ${size} bytes instead of ${wrong.bytes}`;
}

function stamp(id: string): string {
  return id.slice(-21);
}
