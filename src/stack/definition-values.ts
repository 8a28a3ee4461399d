/** Values of a resolved Compose model and of the engine, in one form each, so that they can be compared. */

const nanoseconds: Readonly<Record<string, number>> = {
  ...{ h: 3_600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 },
};

/** A duration of Compose, such as `1m30s` or `200ms`, in nanoseconds. A plain number is taken as it is. */
export function durationNs(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return 0;
  let sum = 0;
  for (const [, number, unit = ""] of value.matchAll(/([\d.]+)(ms|us|µs|ns|h|m|s)/g)) {
    sum += Number(number) * (nanoseconds[unit] ?? 0);
  }
  return Math.round(sum);
}

/** A size of Compose, such as `64m` or `67108864`, in bytes. */
export function bytesOf(value: unknown): number {
  const found = /^(-?[\d.]+)\s*([kmgt]?)i?b?$/i.exec(String(value ?? "0").trim());
  if (found === null) return 0;
  const power = "kmgt".indexOf((found[2] ?? "").toLowerCase() || "-") + 1;
  return Math.round(Number(found[1]) * 1024 ** power);
}

/** A list in an order of its own: what it contains decides. A text alone is a list of one. */
export function listOf(value: unknown): string[] {
  if (value === undefined || value === null || value === "") return [];
  const items = Array.isArray(value) ? value : [value];
  return items.map(String).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** A map of texts, also from a list of `name=value`. */
export function mapOf(value: unknown): Record<string, string> {
  if (Array.isArray(value)) {
    return Object.fromEntries(
      value.map(String).map((text) => {
        const at = text.indexOf("=");
        return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
      }),
    );
  }
  const entries = Object.entries((value ?? {}) as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, one]) => [name, String(one ?? "")]));
}

/** A list of arguments; nothing counts as an empty list. */
export function argumentsOf(value: unknown): string[] {
  if (typeof value === "string") return value === "" ? [] : [value];
  const all = Array.isArray(value) ? value.map(String) : [];
  // An entrypoint of one empty text clears that of the image.
  return all.length === 1 && all[0] === "" ? [] : all;
}

/** A capability as the engine and as Compose may write it. */
export function capability(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, "");
}

/** A duration in microseconds; a plain number is one. */
export function microseconds(value: unknown): number {
  const number = Number(value);
  return Number.isNaN(number) ? Math.round(durationNs(value) / 1e3) : number;
}

/** `name:address`, however it is written. */
export function hostsOf(value: unknown): string[] {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  const lines = isMap
    ? Object.entries(value).flatMap(([name, all]) => listOf(all).map((one) => `${name}=${one}`))
    : listOf(value);
  return listOf(lines.map((line) => line.replace(/[=:]/, ":").replaceAll(/[[\]]/g, "")));
}
