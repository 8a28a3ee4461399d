import { KeeperError } from "../../src/core/errors.ts";
import { minimised, mutate, randomOf } from "./mutate.ts";

/** Something that reads what others wrote. */
export interface Target {
  readonly name: string;
  /** Good inputs to begin with: small. */
  readonly corpus: readonly Buffer[];
  /**
   * Reads an input.
   *
   * @returns what is wrong with how it was read; undefined if nothing is.
   * @throws an expected error: {@link isExpected}.
   */
  readonly read: (input: Buffer) => Promise<string | undefined> | string | undefined;
  /** Which errors may come out; default: a {@link KeeperError}. */
  readonly isExpected?: (error: unknown) => boolean;
}

/** An input that was not read as it must be. */
export interface Finding {
  readonly seed: number;
  readonly problem: string;
  readonly input: Buffer;
}

/** Longer is taken for a hang, even on a machine that is loaded. */
const slowMs = 20_000;
const memoryLimitBytes = 512 * 2 ** 20;

/** Reads mutated inputs until the time is over. Each has a seed of its own: `first` and the ones that follow. */
export async function fuzz(
  target: Target,
  {
    first,
    milliseconds,
    most = Number.POSITIVE_INFINITY,
  }: { first: number; milliseconds: number; most?: number },
): Promise<{ readonly runs: number; readonly finding?: Finding }> {
  const end = performance.now() + milliseconds;
  let runs = 0;
  // The corpus itself must be read, too.
  for (const input of target.corpus) {
    const problem = await problemOf(target, input);
    if (problem !== undefined) return { runs, finding: { seed: -1, problem, input } };
  }
  for (; performance.now() < end && runs < most; runs++) {
    const seed = (first + runs) >>> 0;
    const input = inputOf(target, seed);
    const problem = await problemOf(target, input);
    if (problem === undefined) continue;
    const smallest = await minimised(
      input,
      async (one) => (await problemOf(target, one)) !== undefined,
    );
    return { runs, finding: { seed, problem, input: smallest } };
  }
  return { runs };
}

/** The input of a seed. */
export function inputOf({ corpus }: Target, seed: number): Buffer {
  const random = randomOf(seed);
  const pick = () => corpus[random(corpus.length)] ?? Buffer.alloc(0);
  return mutate(pick(), random, pick());
}

async function problemOf(target: Target, input: Buffer): Promise<string | undefined> {
  const startMs = performance.now();
  const before = process.memoryUsage().rss;
  let problem: string | undefined;
  try {
    problem = await target.read(input);
  } catch (error) {
    const isExpected = target.isExpected ?? ((one) => one instanceof KeeperError);
    if (!isExpected(error))
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const ms = performance.now() - startMs;
  if (ms > slowMs) problem ??= `it took ${Math.round(ms)} ms`;
  const grown = process.memoryUsage().rss - before;
  if (grown > memoryLimitBytes) problem ??= `it took ${Math.round(grown / 2 ** 20)} MiB`;
  return problem;
}
