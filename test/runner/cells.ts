import { relative } from "node:path";
import { root } from "./report.ts";
import { listTests } from "./vitest.ts";

/** One test of the exhaustive part. */
export interface Cell {
  readonly project: string;
  /** Below the checkout. */
  readonly file: string;
  /** From the outermost `describe` to the test, with ` > ` between. */
  readonly name: string;
}

/** All of them, in an order that is the same on every machine. */
export async function allCells(filters: readonly string[]): Promise<Cell[]> {
  const projects = ["contract", "e2e", "action", "engine"].flatMap((name) => ["--project", name]);
  const found = await listTests([...projects, "--tagsFilter=exhaustive", ...filters]);
  const cells = found.map(({ file, ...cell }) => ({ ...cell, file: relative(root, file) }));
  return cells.toSorted((a, b) => (a.file === b.file ? 0 : a.file < b.file ? -1 : 1));
}

/**
 * Begins at another cell for each commit. Steps of the golden section of the whole never come close to where they were
 * before, so a run that comes through a part of the cells has run each of them after a few commits.
 */
export function rotated<T>(cells: readonly T[], commit: number): T[] {
  const golden = (Math.sqrt(5) - 1) / 2;
  const start = Math.floor(((commit * golden) % 1) * cells.length);
  return [...cells.slice(start), ...cells.slice(0, start)];
}

/** What one vitest runs: cells of a file that follow each other, so that they share a stack. */
export function grouped(cells: readonly Cell[], most: number): Cell[][] {
  const groups: Cell[][] = [];
  for (const cell of cells) {
    const last = groups.at(-1);
    if (last !== undefined && last[0]?.file === cell.file && last.length < most) last.push(cell);
    else groups.push([cell]);
  }
  return groups;
}

/** The pattern of `--testNamePattern` that these cells match, and no others of their file. */
export function namePattern(cells: readonly Pick<Cell, "name">[]): string {
  const names = cells.map(({ name }) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return `^(${names.join("|")})$`;
}
