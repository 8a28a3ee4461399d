import type { Entry } from "./entries.ts";

/** A version of a file, and the backups that have it. */
interface FileVersion extends Entry {
  /** The newest and the oldest backup that has it, without another version between them. */
  readonly newest: string;
  readonly oldest: string;
}

/**
 * The versions of each path, newest first. Two entries are the same version if type, size, mode and time are equal.
 *
 * @param backups - newest first
 */
export function versionsOf(
  backups: readonly { readonly id: string; readonly entries: readonly Entry[] }[],
): FileVersion[] {
  const versions = new Map<string, { newest: string; oldest: string; entry: Entry }[]>();
  for (const { id, entries } of backups) {
    for (const entry of entries) {
      const known = versions.get(entry.path) ?? [];
      const last = known.at(-1);
      if (last !== undefined && isSame(last.entry, entry)) last.oldest = id;
      else known.push({ newest: id, oldest: id, entry });
      versions.set(entry.path, known);
    }
  }
  return [...versions.values()].flatMap((all) =>
    all.map(({ newest, oldest, entry }) => ({ ...entry, newest, oldest })),
  );
}

function isSame(a: Entry, b: Entry): boolean {
  return (
    a.type === b.type && a.bytes === b.bytes && a.mode === b.mode && a.modifiedAt === b.modifiedAt
  );
}
