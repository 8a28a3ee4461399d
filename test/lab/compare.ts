import type { Snapshot } from "./snapshot.ts";

/** Keys that may have gone between two snapshots without anything being wrong. */
const volatileSection = "redis with TTL";

/**
 * What differs between two snapshots, one readable line each; empty when the contents are equal.
 * A key with a TTL may be missing in `after`, since it may have expired.
 */
export function diff(
  before: Snapshot,
  after: Snapshot,
  options: { readonly ignore?: readonly RegExp[] } = {},
): string[] {
  const lines: string[] = [];
  for (const section of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[section] ?? {};
    const now = after[section] ?? {};
    for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
      const line = difference(section, key, old[key], now[key]);
      if (line !== undefined) lines.push(line);
    }
  }
  return lines.filter((line) => !options.ignore?.some((pattern) => pattern.test(line)));
}

function difference(
  section: string,
  key: string,
  old: string | undefined,
  now: string | undefined,
): string | undefined {
  if (old === now) return undefined;
  if (now === undefined)
    return section === volatileSection ? undefined : `${section}: ${key}: lost (was ${old})`;
  if (old === undefined) return `${section}: ${key}: new (${now})`;
  return `${section}: ${key}: ${changes(old, now)}`;
}

/** Of two JSON objects only the fields that differ. */
function changes(old: string, now: string): string {
  const [a, b] = [fields(old), fields(now)];
  if (a === undefined || b === undefined) return `${old} -> ${now}`;
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names
    .filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]))
    .map((name) => `${name} ${JSON.stringify(a[name])} -> ${JSON.stringify(b[name])}`)
    .join(", ");
}

function fields(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
