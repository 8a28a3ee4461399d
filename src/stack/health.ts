import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { systemClock } from "../core/clock.ts";
import type { NamedTask, TaskRunner } from "../core/task.ts";
import { waitFor } from "../core/wait.ts";

/** How a server is asked for its health. */
export interface HealthRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca?: string;
  /** For one answer. */
  readonly timeoutMs: number;
}

/** What one look gave. Healthy is a status from 200 to 299. */
export interface HealthAnswer {
  readonly healthy: boolean;
  /** 0 when there was no answer. */
  readonly status: number;
  /** The first 2 KiB of the answer, or why there was none. */
  readonly detail: string;
}

const detailBytes = 2_048;

/**
 * Asks until the server is healthy, or the time is over; the last answer is the result. Runs in the network namespace of
 * the server's container: nothing needs to be published, and a clone without a way out is reached too.
 */
export const waitHealthyTask: NamedTask<
  { readonly request: HealthRequest; readonly forMs: number; readonly everyMs: number },
  HealthAnswer
> = {
  name: "stack.wait-healthy",
  run: async ({ request, forMs, everyMs }, { signal, reporter }) => {
    let last: HealthAnswer = { healthy: false, status: 0, detail: "not asked" };
    const look = async () => {
      last = await probe(request, signal);
      reporter.progress(`${request.url}: ${last.status === 0 ? last.detail : last.status}`);
      return last.healthy ? last : undefined;
    };
    const options = { clock: systemClock, timeoutMs: forMs, everyMs, signal };
    return (await waitFor(look, options)) ?? last;
  },
};

/**
 * Asks one container once, or until it is healthy.
 *
 * @param container - id of the container whose network the request is made in.
 */
export async function waitHealthy(
  tasks: TaskRunner,
  container: string,
  request: HealthRequest,
  options: { readonly forMs: number; readonly everyMs?: number; readonly signal?: AbortSignal },
): Promise<HealthAnswer> {
  const params = { request, forMs: options.forMs, everyMs: options.everyMs ?? 250 };
  const place = { mounts: [], networkOf: container };
  return await tasks.run(waitHealthyTask, params, place, options.signal);
}

/** One request; never throws for what the server or the network does. */
export async function probe(request: HealthRequest, signal: AbortSignal): Promise<HealthAnswer> {
  const { promise, resolve } = Promise.withResolvers<HealthAnswer>();
  const failed = (error: Error) =>
    resolve({ healthy: false, status: 0, detail: error.message || error.name });
  const options: RequestOptions & { ca?: string } = {
    headers: { ...request.headers },
    // Whatever the process before had open is not the server's health now.
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(request.timeoutMs)]),
    ...(request.ca === undefined ? {} : { ca: request.ca }),
  };
  const send = request.url.startsWith("https:") ? httpsRequest : httpRequest;
  const sent = send(request.url, options, (response) => {
    let detail = "";
    const status = response.statusCode ?? 0;
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      detail = (detail + text).slice(0, detailBytes);
    });
    response.on("error", failed);
    response.on("end", () => resolve({ healthy: status >= 200 && status < 300, status, detail }));
  });
  sent.on("error", failed);
  sent.end();
  return await promise;
}
