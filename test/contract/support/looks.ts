import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A tree as one line a path: kind, mode, owner, number of names and content, without times; names that contain one of `without` are left out. */
export function looksOf(path: string, ...without: string[]): string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  const lines: string[] = [];
  const visit = (at: string, name: string) => {
    const one = lstatSync(at);
    const own = `${(one.mode & 0o177777).toString(8)} ${one.uid}:${one.gid}`;
    if (one.isDirectory()) {
      lines.push(`${name}/ ${own}`);
      for (const child of readdirSync(at).sort()) {
        if (without.some((part) => child.includes(part))) continue;
        visit(join(at, child), `${name}/${child}`);
      }
    } else if (one.isSymbolicLink()) lines.push(`${name} ${own} -> ${readlinkSync(at)}`);
    else if (one.isFile()) {
      lines.push(`${name} ${own} ${one.nlink} ${readFileSync(at).toString("latin1")}`);
    } else lines.push(`${name} ${own}`);
  };
  visit(path, "");
  return lines;
}

/** Every path below a directory whose name contains `part`. */
export function namesWith(part: string, path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.includes(part),
  );
}

/** A directory in memory where there is such a place: a thousand flushes of a disk that others use take minutes. */
export function memoryDirectory(): Disposable & { readonly path: string } {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const path = mkdtempSync(join(parent, "sk-cut-off-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
