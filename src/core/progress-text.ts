import { formatBytes, formatSeconds } from "./format.ts";

/** How much of a long step is done. */
export interface Amount {
  readonly bytes: number;
  /** About how many bytes there are in all, if that is known. */
  readonly of?: number | undefined;
}

/** Before that a rate says nothing. */
const leastMs = 1_000;
const barWidth = 20;

/** Tells how fast steps go on and how long they will take. Several may be under way, each with a name of its own. */
export class Pace {
  readonly #begun = new Map<string, { readonly ms: number; readonly bytes: number }>();

  /** A new phase begins: its steps may have the names of earlier ones. */
  clear(): void {
    this.#begun.clear();
  }

  /**
   * The progress of a step, such as `data: 25 %, 1.0 GiB of about 4.0 GiB, 64 MiB/s, 48.0 s left`. Call it for every
   * report, also for those that are not shown: the rate is measured from the first one.
   *
   * @param hasBar - a bar instead of the amount, for a line that is rewritten and must not be long
   */
  text(name: string, { bytes, of }: Amount, nowMs: number, hasBar = false): string {
    const before = this.#begun.get(name);
    const begun = before === undefined || before.bytes > bytes ? { ms: nowMs, bytes } : before;
    this.#begun.set(name, begun);
    const elapsedMs = nowMs - begun.ms;
    const rate = elapsedMs < leastMs ? 0 : ((bytes - begun.bytes) * 1000) / elapsedMs;
    const speed = rate < 1 ? "" : `, ${formatBytes(rate)}/s`;
    // What is written while it is read may become more than was there.
    if (of === undefined || of < bytes || of === 0) return `${name}: ${formatBytes(bytes)}${speed}`;
    const percent = Math.floor((bytes * 100) / of);
    const left = rate < 1 ? "" : `, ${formatSeconds((of - bytes) / rate)} left`;
    if (hasBar) return `${name}: ${barOf(percent)} ${percent} %${speed}${left}`;
    const amount = `${formatBytes(bytes)} of about ${formatBytes(of)}`;
    return `${name}: ${percent} %, ${amount}${speed}${left}`;
  }
}

function barOf(percent: number): string {
  const full = Math.floor((percent * barWidth) / 100);
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}]`;
}
