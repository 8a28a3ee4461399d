import { probe } from "../../stack/health.ts";

const timeoutMs = 2_000;
const samplesBefore = 10;

/** How long the live stack takes to answer, before and while a clone runs. */
export class AnswerTimes {
  readonly #url: string | undefined;
  readonly #signal: AbortSignal;
  readonly #before: number[] = [];
  readonly #during: number[] = [];

  private constructor(url: string | undefined, signal: AbortSignal) {
    this.#url = url;
    this.#signal = signal;
  }

  /** Measures the stack as it is before. Any answer counts, whatever it says. */
  static async start(port: number | undefined, signal: AbortSignal): Promise<AnswerTimes> {
    const url = port === undefined ? undefined : `http://127.0.0.1:${port}/`;
    const times = new AnswerTimes(url, signal);
    for (let at = 0; at < samplesBefore; at += 1) await times.#sample(times.#before);
    return times;
  }

  async sample(): Promise<void> {
    await this.#sample(this.#during);
  }

  /** Both percentiles; nothing if the stack gave no answer. */
  summary(): { readonly p95BeforeMs?: number; readonly p95DuringMs?: number } {
    const [before, during] = [this.#before, this.#during].map(percentile95);
    if (before === undefined || during === undefined) return {};
    return { p95BeforeMs: before, p95DuringMs: during };
  }

  async #sample(into: number[]): Promise<void> {
    if (this.#url === undefined) return;
    const fromMs = performance.now();
    const { status } = await probe({ url: this.#url, timeoutMs }, this.#signal);
    if (status !== 0) into.push(performance.now() - fromMs);
  }
}

/** The smallest value that 95 % of all do not exceed, rounded to a tenth; undefined of none. Pure. */
function percentile95(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.ceil(0.95 * sorted.length) - 1];
  return found === undefined ? undefined : Math.round(found * 10) / 10;
}
