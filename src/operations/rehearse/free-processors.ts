/** The processor time of a host and of a clone, counted from some moment on. */
export interface ProcessorLook {
  readonly atMs: number;
  /** Time that all processors of the host spent idle or waiting for a disk, added up. */
  readonly idleMs: number;
  /** What each container of the clone used, by id. */
  readonly usedMs: Readonly<Record<string, number>>;
}

/**
 * How many processors the clone had between two looks: what it used, and what nobody used. A clone that waits for
 * something else on an idle host had them all. Undefined if no time went by. Pure.
 */
export function freeProcessors(before: ProcessorLook, after: ProcessorLook): number | undefined {
  const tookMs = after.atMs - before.atMs;
  if (tookMs <= 0) return undefined;
  const used = Object.entries(after.usedMs).map(([id, ms]) =>
    // A container that was replaced counts from its beginning.
    Math.max(0, ms - (before.usedMs[id] ?? 0)),
  );
  const usedMs = used.reduce((sum, ms) => sum + ms, 0);
  const idleMs = Math.max(0, after.idleMs - before.idleMs);
  return Math.round((100 * (idleMs + usedMs)) / tookMs) / 100;
}

/** The idle time in the text of `/proc/stat`, in milliseconds; undefined if it has none. Pure. */
export function idleMsIn(procStat: string): number | undefined {
  const [, , , , idle, waiting] = /^cpu\s.*$/m.exec(procStat)?.[0].split(/\s+/) ?? [];
  if (idle === undefined) return undefined;
  // The kernel tells hundredths of a second, whatever its own tick is (proc(5), USER_HZ).
  return 10 * (Number(idle) + Number(waiting ?? 0));
}
