import { probe } from "../../stack/health.ts";

/** A stack that needs longer is in need, whatever else uses the machine. */
const timeoutMs = 5_000;
const samplesBefore = 10;

/** How the live stack answers, before and while a clone runs. */
export class AnswerTimes {
  /** Undefined if none of its ports answers HTTP. */
  readonly #url: string | undefined;
  readonly #signal: AbortSignal;
  readonly #before: number[];
  readonly #during: number[] = [];

  private constructor(url: string | undefined, signal: AbortSignal, before: number[]) {
    this.#url = url;
    this.#signal = signal;
    this.#before = before;
  }

  /** Measures the first of these ports that answers, as it is before. Any answer counts, whatever it says. */
  static async start(ports: readonly number[], signal: AbortSignal): Promise<AnswerTimes> {
    const urls = ports.map((port) => `http://127.0.0.1:${port}/`);
    const first = await Promise.all(urls.map((url) => answerMs(url, signal)));
    const at = first.findIndex((ms) => ms !== undefined);
    const url = urls[at];
    const before = first.slice(at, at + 1).filter((ms) => ms !== undefined);
    while (url !== undefined && before.length < samplesBefore) {
      const ms = await answerMs(url, signal);
      // One that answers at times only tells nothing.
      if (ms === undefined) return new AnswerTimes(undefined, signal, []);
      before.push(ms);
    }
    return new AnswerTimes(url, signal, before);
  }

  /** Asks once. @returns whether it answered; undefined if no address of it is known. */
  async sample(): Promise<boolean | undefined> {
    if (this.#url === undefined) return undefined;
    const ms = await answerMs(this.#url, this.#signal);
    if (ms !== undefined) this.#during.push(ms);
    return ms !== undefined;
  }

  /** Both percentiles; nothing if the stack gave no answer. */
  summary(): { readonly p95BeforeMs?: number; readonly p95DuringMs?: number } {
    const [before, during] = [this.#before, this.#during].map(percentile95);
    if (before === undefined || during === undefined) return {};
    return { p95BeforeMs: before, p95DuringMs: during };
  }
}

/** How long an answer takes, in milliseconds; undefined without one. */
async function answerMs(url: string, signal: AbortSignal): Promise<number | undefined> {
  const fromMs = performance.now();
  const { status } = await probe({ url, timeoutMs }, signal);
  return status === 0 ? undefined : performance.now() - fromMs;
}

/** The smallest value that 95 % of all do not exceed, rounded to a tenth; undefined of none. Pure. */
function percentile95(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.ceil(0.95 * sorted.length) - 1];
  return found === undefined ? undefined : Math.round(found * 10) / 10;
}
