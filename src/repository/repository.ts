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
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  parseManifest,
} from "../model/manifest.ts";
import { type Marks, parseMarks } from "../model/marks.ts";

const partialPrefix = ".partial-";
const marksLimitBytes = 2 ** 20;

/** A complete backup of the repository, as it lies there; nothing of it was verified. */
export interface StoredBackup {
  readonly id: string;
  readonly path: string;
  /** Undefined when the manifest is missing or cannot be read: `problem` says why. */
  readonly manifest: Manifest | undefined;
  readonly manifestSha256: string | undefined;
  /** What is wrong at first sight: no readable manifest, or a file that is missing or has another size. */
  readonly problem: string | undefined;
  /** Sum of the files' sizes in bytes. */
  readonly bytes: number;
  /** Undefined when never verified, when the marks belong to another manifest, or with a `problem`. */
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

  /** Where an operation keeps the texts of the files that it edits, which may hold secrets; made when there are some. */
  work(kind: "upgrades" | "restores", operationId: string): string {
    return join(this.path, kind, operationId);
  }

  /** Removes those texts of one operation, or of all: for when their journals have ended. */
  async forgetWork(operationId = "."): Promise<void> {
    for (const kind of ["upgrades", "restores"] as const) {
      await rm(this.work(kind, operationId), { recursive: true, force: true });
    }
  }

  directory(id: string): string {
    return join(this.path, "backups", id);
  }

  /** @throws RefusedError when the path lies inside one that is backed up; an empty repository is removed then. */
  async refuseInside(backedUp: readonly string[]): Promise<void> {
    const inside = backedUp.find((path) =>
      `${this.path}${sep}`.startsWith(`${resolve(path)}${sep}`),
    );
    if (inside === undefined) return;
    for (const part of ["backups", "marks", "operations", "."]) {
      // What is not empty stays.
      await rmdir(resolve(this.path, part)).catch(() => undefined);
    }
    throw new RefusedError(
      `repository: ${this.path} lies inside ${inside}, which is backed up; choose a path outside of it`,
    );
  }

  /** Makes the repository's directories. @throws RefusedError when they cannot be written. */
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

  /** Makes the directory of a backup in the making. */
  async begin(id: string): Promise<string> {
    const path = this.directory(partialPrefix + id);
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  /**
   * Makes a finished `.partial-` directory a backup. Everything in it must be fsynced already.
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

  /** Removes what an unfinished backup left, or what an unfinished removal did. */
  async discard(id: string): Promise<void> {
    const partial = this.directory(partialPrefix + id);
    if (!existsSync(partial)) return;
    // Before the directory, by which the next run finds a removal that was cut off. One in the making has none.
    for (const marks of [this.#marksPath(id), `${this.#marksPath(id)}.new`]) {
      await rm(marks, { force: true });
    }
    await rm(partial, { recursive: true, force: true });
  }

  /** Ids of backups that were begun and not finished. */
  async partials(): Promise<string[]> {
    return (await this.#names())
      .filter((name) => name.startsWith(partialPrefix))
      .map((name) => name.slice(partialPrefix.length));
  }

  /** Every complete backup, newest first. An empty repository, or none at all, has no backups. */
  async list(): Promise<StoredBackup[]> {
    const ids = (await this.#names()).filter(isBackupId);
    const backups = await Promise.all(ids.map((id) => this.#readUnlessRemoved(id)));
    return backups
      .filter((backup) => backup !== undefined)
      .toSorted((a, b) => (stamp(a.id) < stamp(b.id) ? 1 : -1));
  }

  /** A list takes no lock: what is removed under it is not there, and neither damaged nor an error. */
  async #readUnlessRemoved(id: string): Promise<StoredBackup | undefined> {
    try {
      const backup = await this.read(id);
      return existsSync(backup.path) ? backup : undefined;
    } catch (error) {
      if (existsSync(this.directory(id))) throw error;
      return undefined;
    }
  }

  /** Reads what is known of one backup. */
  async read(id: string): Promise<StoredBackup> {
    const path = this.directory(id);
    const files = await readdir(path);
    const sizeOf = async (file: string) => [file, (await lstat(join(path, file))).size] as const;
    const sizes = new Map(await Promise.all(files.map(sizeOf)));
    const base = { id, path, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
    try {
      const text = await readRegularFile(join(path, manifestFile), manifestLimitBytes);
      const manifestSha256 = sha256Hex(text);
      const marks = await this.marksOf(id);
      const manifest = parseManifest(text);
      const problem = sizeProblem(manifest, sizes);
      const counts = problem === undefined && marks?.manifestSha256 === manifestSha256;
      return { ...base, manifest, manifestSha256, problem, marks: counts ? marks : undefined };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { ...base, manifest: undefined, manifestSha256: undefined, problem, marks: undefined };
    }
  }

  /** Writes the marks of a backup, atomically and durably. */
  async mark(id: string, marks: Marks): Promise<void> {
    const path = this.#marksPath(id);
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

  /** Removes a backup and its marks. After a kill in between nothing half is left that counts. */
  async remove(id: string): Promise<void> {
    // Renamed first: a half-removed directory must not look like a complete backup.
    await rename(this.directory(id), this.directory(partialPrefix + id));
    // Nor after a power cut.
    await fsyncDirectory(join(this.path, "backups"));
    await this.discard(id);
  }

  /** What was noted of a backup, whatever its manifest is now: `marks` of {@link read} leaves out those of another one. */
  async marksOf(id: string): Promise<Marks | undefined> {
    try {
      return parseMarks(await readRegularFile(this.#marksPath(id), marksLimitBytes));
    } catch {
      // Unreadable marks are no marks: the backup counts as not verified.
      return undefined;
    }
  }

  #marksPath(id: string): string {
    return join(this.path, "marks", `${id}.json`);
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(join(this.path, "backups"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}

/** The first file that is missing or has another size; costs no reading, so that every list looks at it. */
function sizeProblem(
  { components }: Manifest,
  sizes: ReadonlyMap<string, number>,
): string | undefined {
  const wrong = components.find(({ file, bytes }) => sizes.get(file) !== bytes);
  if (wrong === undefined) return undefined;
  const size = sizes.get(wrong.file);
  return size === undefined
    ? `${wrong.file} is missing`
    : `${wrong.file} has ${size} bytes instead of ${wrong.bytes}`;
}

function stamp(id: string): string {
  return id.slice(-21);
}
