import { createHash } from "node:crypto";
import { secretName } from "../../stack/find-secrets.ts";

const shownLength = 60;

/**
 * Replaces every secret by a mark that is derived from it: whether two differ can be seen, and not what they are.
 *
 * @param salt - so that the mark of a common password is not the same everywhere
 */
export function masking(salt: string, secrets: readonly string[]): (text: string) => string {
  const marks = secrets.map((secret) => [secret, mark(salt, secret)] as const);
  return (text) => marks.reduce((current, [secret, by]) => current.replaceAll(secret, by), text);
}

function mark(salt: string, secret: string): string {
  return `***${createHash("sha256").update(salt).update(secret).digest("hex").slice(0, 8)}`;
}

/** `key: before -> after`; undefined is nothing, and of a list or an object only what differs. */
export function differenceText(
  path: string,
  before: unknown,
  after: unknown,
  mask: (text: string) => string,
): string {
  const [old, now] = onlyDiffering(before, after);
  // However short the value is: nobody knows where it is used again.
  const isContent = /^(configs|secrets)\./.test(path);
  const hide = isContent || (/^(environment|labels)\./.test(path) && secretName.test(path));
  const shown = (value: unknown) => {
    if (value === undefined) return "nothing";
    const text = mask(JSON.stringify(value));
    if (hide && !text.includes("***")) return mark(path, text);
    return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
  };
  return `${path}: ${shown(old)} -> ${shown(now)}`;
}

function onlyDiffering(before: unknown, after: unknown): [unknown, unknown] {
  if (Array.isArray(before) && Array.isArray(after) && isLong(before, after)) {
    const without = (items: readonly unknown[], others: readonly unknown[]) =>
      items.filter((item) => !others.includes(item));
    return [without(before, after), without(after, before)];
  }
  if (!isObject(before) || !isObject(after)) return [before, after];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = names.filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const part = (value: Record<string, unknown>) =>
    Object.fromEntries(differing.flatMap((name) => (name in value ? [[name, value[name]]] : [])));
  return [part(before), part(after)];
}

function isLong(...values: readonly unknown[]): boolean {
  return values.some((value) => JSON.stringify(value).length > shownLength);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
