import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { type HealthRequest, probe } from "../../stack/health.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import { type Downtime, downtime, type Probe } from "./downtime.ts";
import { headersOf } from "./health-probe.ts";

/** Each probe costs the gateway and this process a few milliseconds of a processor, while both have better to do. */
const everyMs = 100;
const timeoutMs = 2_000;
const lateMs = 200;

/** Probes the stack until it is disposed. */
export interface Prober extends Disposable {
  /** The downtime so far; undefined if it was not measured or has not ended. */
  downtime(): Downtime | undefined;
}

/** Probes the stack's health the way its users reach it, so that it measures the downtime they see. */
export function startProber(
  stack: Pick<Stack, "containers" | "model">,
  options: Pick<Options, "healthUrl" | "healthHeader"> & { readonly ca?: string | undefined },
): Prober {
  const url = options.healthUrl ?? publishedUrl(stack);
  if (url === undefined) return { downtime: () => undefined, [Symbol.dispose]: () => undefined };
  const { healthHeader, ca } = options;
  const request: HealthRequest = {
    ...{ url, timeoutMs, ...headersOf(healthHeader) },
    ...(ca === undefined ? {} : { ca }),
  };
  const probes: Probe[] = [];
  const ending = new AbortController();
  const timer = setInterval(async () => {
    const atMs = performance.timeOrigin + performance.now();
    const { healthy } = await probe(request, ending.signal);
    const tookMs = performance.timeOrigin + performance.now() - atMs;
    // A late failure says nothing about the stack: this process may have been too busy to read the answer in time.
    const isJudged = healthy || tookMs < timeoutMs + lateMs;
    if (isJudged && !ending.signal.aborted) probes.push({ atMs, good: healthy });
  }, everyMs);
  return {
    downtime: () => downtime(probes),
    [Symbol.dispose]: () => {
      clearInterval(timer);
      ending.abort();
    },
  };
}

/** The URL of the gateway's port that is published on this host. */
function publishedUrl({ containers, model }: Pick<Stack, "containers" | "model">) {
  const { port, path } = sophonProfile.health;
  for (const { service, imageReference } of containers) {
    if (!isGateway(sophonProfile, service, imageReference)) continue;
    const ports = (model.services[service]?.ports ?? []) as readonly PublishedPort[];
    const published = ports.find(({ target }) => target === port);
    if (published?.published === undefined) continue;
    const host = published.host_ip;
    const address = host === undefined || /^(0\.0\.0\.0|::)$/.test(host) ? "127.0.0.1" : host;
    return `http://${address}:${published.published}${path}`;
  }
  return undefined;
}

interface PublishedPort {
  readonly target: number;
  readonly published?: string;
  readonly host_ip?: string;
}
