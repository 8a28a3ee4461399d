import { open, readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

/** The kinds of files that the manual commands of the Sophon page create. */
export type HandMadeKind =
  /** `tar czf` of the data directory. */
  | "data"
  /** `pg_dump`, plain SQL. */
  | "sql"
  /** `pg_dump -Fc`. */
  | "dump"
  /** A snapshot of a Qdrant collection, copied from its volume. */
  | "qdrant"
  /** `tar czf` of the Redis volume. */
  | "redis";

/** One file of a manual backup. */
export interface HandMadeFile {
  readonly kind: HandMadeKind;
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
}

/** The files of a manual backup at a path. */
export interface HandMadeSet {
  /** The given file or directory. */
  readonly path: string;
  /** The newest file of each kind, and for Qdrant of each collection: by the date in its name, then by its time. */
  readonly files: readonly HandMadeFile[];
  /** Older files of the same kinds. */
  readonly older: readonly HandMadeFile[];
}

const byName: readonly (readonly [RegExp, HandMadeKind])[] = [
  [/^redis[._-].*\.(tar\.gz|tgz)$/i, "redis"],
  [/\.(tar\.gz|tgz)$/i, "data"],
  [/\.sql$/i, "sql"],
  [/\.dump$/i, "dump"],
  [/\.snapshot$/i, "qdrant"],
];

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const SQL_HEAD = /^(--\s*\r?\n)?--\s*PostgreSQL database/;

/**
 * Finds the files of a manual backup at a path: one file, or a directory with several that is not a backup of this tool.
 *
 * @returns undefined if there is no such file; the path may still be a backup of this tool.
 */
export async function findHandMade(wanted: string): Promise<HandMadeSet | undefined> {
  const path = resolve(wanted);
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) {
    const file = await fileAt(path, true);
    return file && { path, files: [file], older: [] };
  }
  if (!info?.isDirectory()) return undefined;
  const names = await readdir(path).catch(() => []);
  if (names.some((name) => name === "manifest.json" || name === "manifest.json.age")) {
    return undefined;
  }
  const found: HandMadeFile[] = [];
  for (const name of names) {
    const file = await fileAt(join(path, name), false);
    if (file !== undefined) found.push(file);
  }
  return found.length === 0 ? undefined : { path, ...newest(found) };
}

/** The collection of a snapshot: from its file name, else from its directory, as Qdrant stores snapshots. */
export function collectionOf({ name, path }: Pick<HandMadeFile, "name" | "path">): string {
  const [, collection] = /^(.+)-\d+-\d{4}(?:-\d\d){5}\.snapshot$/.exec(name) ?? [];
  if (collection !== undefined) return collection;
  const [, parent] = /\/snapshots\/([^/]+)\/[^/]+$/.exec(path) ?? [];
  return parent ?? name.replace(/\.snapshot$/i, "");
}

async function fileAt(path: string, lookInside: boolean): Promise<HandMadeFile | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  const name = basename(path);
  const kind =
    byName.find(([pattern]) => pattern.test(name))?.[1] ??
    (lookInside ? await kindByContent(path) : undefined);
  if (kind === undefined) return undefined;
  return { kind, path, name, bytes: info.size, modifiedAt: info.mtime };
}

async function kindByContent(path: string): Promise<HandMadeKind | undefined> {
  const head = Buffer.alloc(64);
  await using handle = await open(path, "r");
  await handle.read(head, 0, head.length, 0);
  if (head.subarray(0, 2).equals(GZIP_MAGIC)) return "data";
  if (head.subarray(0, 5).toString("latin1") === "PGDMP") return "dump";
  return SQL_HEAD.test(head.toString("latin1")) ? "sql" : undefined;
}

/** Dumps in both formats contain the same database. */
function newest(found: readonly HandMadeFile[]): Omit<HandMadeSet, "path"> {
  const groups = Map.groupBy(found, (file) => {
    if (file.kind === "qdrant") return `qdrant ${collectionOf(file)}`;
    return file.kind === "sql" ? "dump" : file.kind;
  });
  const files: HandMadeFile[] = [];
  const older: HandMadeFile[] = [];
  for (const group of groups.values()) {
    const [first, ...rest] = group.toSorted(newestFirst);
    if (first !== undefined) files.push(first);
    older.push(...rest);
  }
  return { files, older };
}

function newestFirst(a: HandMadeFile, b: HandMadeFile): number {
  const [dateA, dateB] = [dateIn(a.name), dateIn(b.name)];
  if (dateA !== dateB) return dateA < dateB ? 1 : -1;
  // Of two dumps of one day, the custom format contains more.
  if (a.kind !== b.kind) return a.kind === "dump" ? -1 : 1;
  return b.modifiedAt.getTime() - a.modifiedAt.getTime();
}

/** The digits of the date and time in a name, in sorting order. */
function dateIn(name: string): string {
  const [, ...parts] =
    /((?:19|20)\d\d)-?(\d\d)-?(\d\d)(?:[-_T]?(\d\d)[-_:]?(\d\d)(?:[-_:]?(\d\d))?)?/.exec(name) ??
    [];
  return parts.filter((part) => part !== undefined).join("");
}
