/** The longest wait: a timer of more than 2^31 milliseconds would end at once. */
export const longestWait = "24d";

/** The longest age: much farther back there are no dates. */
export const longestAge = "36500d";

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The milliseconds of `90s`, `10m`, `1h30m`, `2d`; undefined for any other text. Only `0` needs no unit. */
export function millisecondsOf(word: string): number | undefined {
  if (word === "0") return 0;
  const parts = [...word.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  const whole = parts.map(([part]) => part).join("");
  if (word === "" || whole !== word) return undefined;
  return parts.reduce(
    (sum, [, number, unit = ""]) => sum + Number(number) * (unitMs[unit] ?? 0),
    0,
  );
}
