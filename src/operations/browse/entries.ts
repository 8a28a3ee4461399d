import { matchesGlob } from "node:path";
import { TarScanner } from "../../archive/tar/scanner.ts";
import type { Component } from "../../model/manifest.ts";
import { openComponent, type SourceOptions } from "../../stores/reader.ts";

/** One file, directory or link inside a backup. */
export interface Entry {
  /** The component, a slash, and the path inside it, such as `data/config/models.json`. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly bytes: number;
  /** Permission bits as four octal digits. */
  readonly mode: string;
  /** Time of the last change, ISO 8601 UTC. */
  readonly modifiedAt: string;
}

const types: Readonly<Record<string, Entry["type"]>> = {
  ...{ "0": "file", "7": "file", S: "file" },
  ...{ "1": "hardlink", "2": "symlink", "5": "directory" },
};

/** Whether a component is an archive of files: its content can be listed. */
export function isTree({ file }: Pick<Component, "file">): boolean {
  return /\.tar(\.(zst|gz))?(\.age)?$/.test(file);
}

/**
 * Whether a path is wanted: it is one of the given ones, below one of them, or matches one as a pattern. Without any, all are.
 */
export function isWanted(path: string, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  return wanted.some((given) => {
    const plain = given.replace(/^\.?\/+/, "").replace(/\/+$/, "");
    return path === plain || path.startsWith(`${plain}/`) || matchesGlob(path, plain);
  });
}

/**
 * The wanted entries of a component, in the archive's order. Reads it to its last byte.
 *
 * @throws DamagedError when it is damaged, UnverifiableError when no key opens it.
 */
export async function entriesOf(
  component: Component,
  wanted: readonly string[],
  source: SourceOptions,
  signal: AbortSignal,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const scanner = new TarScanner({
    listener: ({ name, type, bytes, mode, mtimeSeconds }) => {
      const path = name === "." ? component.name : `${component.name}/${name}`;
      if (!isWanted(path, wanted)) return;
      entries.push({
        ...{ path, type: types[type] ?? "other", bytes },
        mode: (mode & 0o7777).toString(8).padStart(4, "0"),
        modifiedAt: timeText(mtimeSeconds),
      });
    },
  });
  for await (const chunk of openComponent(source, component, signal)) scanner.update(chunk);
  scanner.end();
  return entries;
}

/** Times of a file system may lie outside of what a date can say. */
function timeText(seconds: number): string {
  const time = new Date(Math.floor(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().replace(".000Z", "Z");
}
