/** One probe from outside. */
export interface Probe {
  readonly atMs: number;
  readonly good: boolean;
}

/**
 * Seconds from the first failed probe to the first of the lasting good ones; 0 where none failed,
 * undefined where it never became good again.
 */
export function downtimeSeconds(probes: readonly Probe[]): number | undefined {
  const inOrder = probes.toSorted((a, b) => a.atMs - b.atMs);
  const first = inOrder.find(({ good }) => !good);
  const last = inOrder.findLast(({ good }) => !good);
  if (first === undefined || last === undefined) return 0;
  const back = inOrder.find(({ atMs, good }) => good && atMs > last.atMs);
  return back === undefined ? undefined : (back.atMs - first.atMs) / 1000;
}
