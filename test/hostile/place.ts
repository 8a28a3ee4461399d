import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyPair, makeBackup } from "../contract/verify/backup.ts";

export const id = "sophon-20260102T030405Z-00aa";
export const plainId = "sophon-20260103T030405Z-00bb";

/** A repository with an encrypted backup and one that is not, and the key. Each row gets a copy. */
export interface Original {
  readonly path: string;
  readonly identity: string;
  readonly recipient: string;
  /** The socket of an engine on which nothing runs. */
  readonly engine: string;
}

/** Makes the repository that all rows begin with. */
export async function makeOriginal(root: string, engine: string): Promise<Original> {
  const { identity, recipient } = await keyPair();
  await makeBackup(root, { id, recipient });
  await makeBackup(root, { id: plainId, createdAt: "2026-01-03T03:04:05.000Z" });
  await mkdir(join(root, "repository", "operations"), { mode: 0o700 });
  await chmod(join(root, "repository"), 0o700);
  return { path: join(root, "repository"), identity, recipient, engine };
}

/** Where one row is tried. */
export class Place implements AsyncDisposable {
  readonly root: string;
  readonly original: Original;

  private constructor(root: string, original: Original) {
    this.root = root;
    this.original = original;
  }

  static async make(original: Original): Promise<Place> {
    const root = await mkdtemp(join(tmpdir(), "hostile-"));
    const place = new Place(root, original);
    await cp(original.path, place.repository, { recursive: true, preserveTimestamps: true });
    for (const name of ["home", "tmp", "project", "out"]) await mkdir(place.at(name));
    await writeFile(place.key, `${original.identity}\n`, { mode: 0o600 });
    await writeFile(place.at("project/compose.yaml"), "services: {}\n");
    // Something of somebody else that must stay as it is.
    await writeFile(place.at("precious"), "precious");
    return place;
  }

  at(path: string): string {
    return join(this.root, path);
  }

  get repository(): string {
    return this.at("repository");
  }

  get key(): string {
    return this.at("key.txt");
  }

  /** The directory of the encrypted backup, or of the other one. */
  backup(of = id): string {
    return join(this.repository, "backups", of);
  }

  /** All that is below the place, as one text: names, kinds, owners, modes and content. */
  fingerprint(without: readonly string[]): string {
    const lines: string[] = [];
    const walk = (path: string, name: string): void => {
      if (without.some((one) => name === one || name.startsWith(`${one}/`))) return;
      const stats = lstatSync(path);
      const about = `${name} ${stats.mode.toString(8)} ${stats.uid}:${stats.gid}`;
      if (stats.isDirectory()) {
        lines.push(about);
        for (const inner of readdirSync(path).toSorted()) {
          walk(join(path, inner), name === "" ? inner : `${name}/${inner}`);
        }
      } else if (stats.isSymbolicLink()) lines.push(`${about} -> ${readlinkSync(path)}`);
      else if (stats.isFile()) lines.push(`${about} ${contentOf(path, stats.size)}`);
      else lines.push(about);
    };
    walk(this.root, "");
    return lines.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

/** Large files are sparse and only made to be too large. */
function contentOf(path: string, size: number): string {
  if (size > 2 ** 24) return `${size}`;
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
