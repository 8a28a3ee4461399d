/** One probe from outside. */
export interface Probe {
  /** When it was sent, in milliseconds since 1970. */
  readonly atMs: number;
  readonly good: boolean;
}

/** A period without service. */
export interface Downtime {
  /** Both in milliseconds since 1970; equal if there was no downtime. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly seconds: number;
}

/**
 * From the first failed probe to the first good probe after the last failed one; 0 seconds if none failed,
 * undefined if no good probe followed.
 */
export function downtime(probes: readonly Probe[]): Downtime | undefined {
  const inOrder = probes.toSorted((a, b) => a.atMs - b.atMs);
  const first = inOrder.find(({ good }) => !good);
  const last = inOrder.findLast(({ good }) => !good);
  if (first === undefined || last === undefined) return { fromMs: 0, toMs: 0, seconds: 0 };
  const back = inOrder.find(({ atMs, good }) => good && atMs > last.atMs);
  if (back === undefined) return undefined;
  return { fromMs: first.atMs, toMs: back.atMs, seconds: (back.atMs - first.atMs) / 1000 };
}
