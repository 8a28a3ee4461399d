import { createHash } from "node:crypto";
import { createReadStream, lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import type { TarWarnings } from "../../archive/tar/gnu-tar.ts";
import type { FoundMember, TarSummary } from "../../archive/tar/scanner.ts";
import type { TreeOptions } from "./params.ts";

const MAX_LINES = 50;

/**
 * The warnings of the manifest about files that changed while they were archived. A directory with a new or removed
 * entry, and a log that only grew, are consistent in the archive and cause no warning.
 */
export async function describeWarnings(
  tree: TreeOptions,
  tar: TarWarnings,
  { found }: TarSummary,
): Promise<string[]> {
  const lines: string[] = [];
  for (const path of new Set(tar.changed)) {
    if (await isHarmless(join(tree.path, path), found.get(path))) continue;
    lines.push(`${path}: changed while it was read, its copy may be torn`);
  }
  lines.push(
    ...tar.shrank.map((path) => `${path}: was truncated while it was read, its copy ends in zeros`),
    ...tar.vanished.map(
      (path) => `${path}: was removed before it was read, and is not in the copy`,
    ),
    ...tar.skipped.map((path) => `${path}: a socket, not copied`),
  );
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES), `and ${lines.length - MAX_LINES} more such files`];
}

async function isHarmless(path: string, archived: FoundMember | undefined): Promise<boolean> {
  const stats = statsOf(path);
  if (stats === undefined) return false;
  if (stats.isDirectory()) return true;
  if (!stats.isFile() || archived === undefined || stats.size < archived.bytes) return false;
  return (await hashOfHead(path, archived.bytes)) === archived.sha256;
}

async function hashOfHead(path: string, bytes: number): Promise<string | undefined> {
  const hash = createHash("sha256");
  if (bytes === 0) return hash.digest("hex");
  try {
    for await (const chunk of createReadStream(path, { end: bytes - 1 })) hash.update(chunk);
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}

/** Undefined for what is gone, and for what is deeper than a path can say. */
function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
