import { createHash } from "node:crypto";
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

/** How a tree is looked at. */
export interface Look {
  /** Times of change, too. */
  readonly times?: boolean;
  /** Names that contain this are left out. */
  readonly without?: string;
}

/** A tree as one line a path: kind, mode, owner, number of names and content. Nothing there is no line. */
export function looksOf(path: string, { times, without }: Look = {}): string[] {
  if (!existsSync(path)) return [];
  const lines: string[] = [];
  const visit = (at: Buffer, name: string) => {
    const one = lstatSync(at, { bigint: true });
    const time = times === true ? ` ${one.mtimeNs}` : "";
    const own = `${name} ${one.mode.toString(8)} ${one.uid}:${one.gid}${time}`;
    if (one.isFile()) lines.push(`${own} ${one.nlink} ${contentOf(at)}`);
    else lines.push(one.isSymbolicLink() ? `${own} -> ${readlinkSync(at)}` : own);
    if (!one.isDirectory()) return;
    for (const child of readdirSync(at, { encoding: "latin1" })) {
      if (without !== undefined && child.includes(without)) continue;
      visit(Buffer.concat([at, Buffer.from(`/${child}`, "latin1")]), `${name}/${child}`);
    }
  };
  visit(Buffer.from(path), "");
  return lines.sort((a, b) => (a < b ? -1 : 1));
}

function contentOf(path: Buffer): string {
  const bytes = readFileSync(path);
  if (bytes.length < 100) return bytes.toString("latin1");
  return createHash("sha256").update(bytes).digest("hex");
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
