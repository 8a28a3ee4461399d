import type { Prediction } from "../../model/rehearsal.ts";

/** What a prediction is made of. All times are in seconds. */
interface PredictionBasis {
  /** Stopping the writers and finishing the rollback copy. */
  readonly quiesceSeconds: number;
  /** Whether that is the time of the last live upgrade, and no estimate. */
  readonly isMeasured?: boolean;
  /** Stopping the old containers and creating the new ones. */
  readonly swapSeconds: number;
  /** The first start, with its migrations, in the clone. */
  readonly startSeconds: number;
  /** Every start of these images that was seen. */
  readonly starts: readonly number[];
  /** How many processors the clone had; undefined if that is not known. */
  readonly processorsFree?: number | undefined;
  /** Actual downtime of earlier live upgrades divided by the sum of the parts that was predicted, newest first. */
  readonly factors: readonly number[];
}

const mostFactors = 5;
const leastBand = 0.15;
const leastGateSeconds = 120;
/** With less of a processor the clone starts more slowly than the live stack, by as much as nobody knows. */
const enoughProcessors = 0.5;
const mostWidening = 4;

/** Predicts the downtime of the live upgrade, with a band, and the time that its gate should have. */
export function predict(basis: PredictionBasis): Prediction {
  const { quiesceSeconds, isMeasured = false, swapSeconds, startSeconds, starts } = basis;
  const factors = basis.factors.slice(0, mostFactors);
  const factor = factors.length === 0 ? 1 : median(factors);
  const parts = quiesceSeconds + swapSeconds + startSeconds;
  const downtime = factor * parts;
  const widening = wideningFor(basis.processorsFree);
  const band = widening * Math.max(leastBand * downtime, spread(starts));
  const high = downtime + band;
  const earlier =
    factors.length === 0
      ? []
      : [`times ${factor.toFixed(2)}, the median of the last ${factors.length} live upgrades`];
  return {
    downtimeSeconds: rounded(downtime),
    partsSeconds: rounded(parts),
    low: rounded(Math.max(0, downtime - band)),
    high: rounded(high),
    gateTimeoutSeconds: Math.ceil(Math.max(leastGateSeconds, 3 * high)),
    basis: [
      `stop and finish the copy ${quiesceSeconds.toFixed(1)} s${isMeasured ? ", as in the last live upgrade" : ""}`,
      `exchange the containers ${swapSeconds.toFixed(1)} s`,
      `start and migrate ${startSeconds.toFixed(1)} s`,
      ...earlier,
      ...(widening === 1
        ? []
        : [`the clone had only ${basis.processorsFree} of a processor: the band is wider`]),
    ],
  };
}

function wideningFor(processorsFree: number | undefined): number {
  if (processorsFree === undefined || processorsFree >= enoughProcessors) return 1;
  return Math.min(mostWidening, enoughProcessors / Math.max(processorsFree, 0.01));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? 1, sorted[Math.floor(middle)] ?? 1];
  return (low + high) / 2;
}

function spread(values: readonly number[]): number {
  return values.length < 2 ? 0 : (Math.max(...values) - Math.min(...values)) / 2;
}

function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
