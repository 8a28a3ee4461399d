import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options.ts";
import { type HealthRequest, probe } from "../../stack/health.ts";
import { isGateway, sophonProfile } from "../../stack/profile.ts";
import { downtimeSeconds, type Probe } from "../../upgrade/downtime.ts";

const everyMs = 20;
const timeoutMs = 2_000;

/** Probes that go on until they are stopped. */
export interface Prober extends Disposable {
  /** Seconds without service so far; undefined where it cannot be told. */
  seconds(): number | undefined;
}

/** Asks the stack for its health as its users reach it, so that the downtime is theirs. */
export function startProber(
  stack: Pick<Stack, "containers" | "model">,
  options: Pick<Options, "healthUrl" | "healthHeader">,
): Prober {
  const url = options.healthUrl ?? publishedUrl(stack);
  if (url === undefined) return { seconds: () => undefined, [Symbol.dispose]: () => undefined };
  const header = options.healthHeader;
  const at = header?.indexOf(":") ?? -1;
  const headers =
    header === undefined ? {} : { headers: { [header.slice(0, at)]: header.slice(at + 1).trim() } };
  const request: HealthRequest = { url, timeoutMs, ...headers };
  const probes: Probe[] = [];
  const ending = new AbortController();
  const timer = setInterval(async () => {
    const atMs = performance.now();
    const { healthy } = await probe(request, ending.signal);
    if (!ending.signal.aborted) probes.push({ atMs, good: healthy });
  }, everyMs);
  return {
    seconds: () => downtimeSeconds(probes),
    [Symbol.dispose]: () => {
      clearInterval(timer);
      ending.abort();
    },
  };
}

/** The gateway's port as it is published on this host. */
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
