import type { Component, Count } from "../../model/manifest.ts";
import { isTree } from "./entries.ts";

/** How much of something a database holds. */
interface DatabaseCount {
  /** The component, or the path of a SQLite database as `ls` shows it. */
  readonly of: string;
  /** What is counted, such as `table public.users` or `points in documents`. */
  readonly name: string;
  readonly count: Count;
}

/** The counts of a component without those of its files: tables, points, keys, messages. */
export function databaseCounts({
  name,
  file,
  counts,
  details,
}: Pick<Component, "name" | "file" | "counts" | "details">): DatabaseCount[] {
  const all = Object.entries(counts);
  if (!isTree({ file })) return all.map(([what, count]) => ({ of: name, name: what, count }));
  const { databases } = details;
  const paths = typeof databases === "object" && databases !== null ? Object.keys(databases) : [];
  return paths.flatMap((path) => {
    const start = `table ${path} `;
    return all
      .filter(([what]) => what.startsWith(start))
      .map(([what, count]) => {
        return { of: `${name}/${path}`, name: `table ${what.slice(start.length)}`, count };
      });
  });
}
