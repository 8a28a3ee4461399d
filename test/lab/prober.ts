import { get } from "node:http";

/** What a prober saw. Times are milliseconds since the epoch. */
export interface ProbeReport {
  readonly probes: number;
  readonly failures: readonly { readonly atMs: number; readonly why: string }[];
  /** The longest time between the starts of two good probes that follow each other. */
  readonly longestGapMs: number;
  /** From the first failed probe to the first of the lasting good ones; 0 without a failure, null when never good again. */
  readonly downtimeMs: number | null;
}

/** A running prober. */
export interface Prober extends AsyncDisposable {
  /** Ends the probing, waits for what is in flight and reports. */
  stop(): Promise<ProbeReport>;
}

interface Probe {
  readonly atMs: number;
  readonly why: string | undefined;
}

/**
 * Asks a URL again and again, each time over a new connection, and never waits for a slow answer before the next.
 * Good is status 200 within `timeoutMs`.
 */
export function prober(url: string, everyMs: number, timeoutMs = 2_000): Prober {
  const done: Probe[] = [];
  const inFlight = new Set<Promise<unknown>>();
  const timer = setInterval(() => {
    const probing: Promise<unknown> = probe(url, timeoutMs)
      .then((result) => done.push(result))
      .finally(() => inFlight.delete(probing));
    inFlight.add(probing);
  }, everyMs);
  const stop = async () => {
    clearInterval(timer);
    await Promise.all(inFlight);
    return report(done);
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

/** One probe; never throws. */
async function probe(url: string, timeoutMs: number): Promise<Probe> {
  const atMs = Date.now();
  const why = await new Promise<string | undefined>((resolve) => {
    const request = get(url, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      response.once("close", () => resolve("the answer ended early"));
      response.once("end", () =>
        resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`),
      );
    });
    request.once("timeout", () => request.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    request.once("error", (error) => resolve(error.message));
  });
  return { atMs, why };
}

function report(done: readonly Probe[]): ProbeReport {
  const probes = done.toSorted((a, b) => a.atMs - b.atMs);
  const failures = probes.flatMap(({ atMs, why }) => (why === undefined ? [] : [{ atMs, why }]));
  const good = probes.filter((one) => one.why === undefined).map((one) => one.atMs);
  const gaps = good.slice(1).map((atMs, index) => atMs - (good[index] ?? atMs));
  return {
    probes: probes.length,
    failures,
    longestGapMs: gaps.reduce((longest, gap) => Math.max(longest, gap), 0),
    downtimeMs: downtime(failures, good),
  };
}

function downtime(failures: ProbeReport["failures"], good: readonly number[]): number | null {
  const [first, last] = [failures[0], failures.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const back = good.find((atMs) => atMs > last.atMs);
  return back === undefined ? null : back - first.atMs;
}
