import { cloneKeys } from "./clone-keys.ts";
import { cloneParts, limitsOfDeploy, line } from "./clone-parts.ts";
import { keeperLabels } from "./keeper-labels.ts";
import { mountsOf } from "./scratch-mounts.ts";
import type { ScratchRequest } from "./scratch-request.ts";
import type { ComposeModel, ComposeService } from "./stack.ts";

/** An isolated copy of a stack, ready for Compose. */
export interface ScratchProject {
  readonly model: ComposeModel;
  /** The fresh volume for each entry of {@link ScratchRequest.stores} that the model mounts. */
  readonly volumes: Readonly<Record<string, string>>;
  /** What the copy does without and why, one line each: `service: key value (reason)`. */
  readonly omitted: readonly string[];
}

const ownNetwork = "the clone's networks and addresses are its own";

/** So that a copy cannot take the memory of the stack beside it. */
const memoryLimit = "4g";
const mostProcesses = 4096;
/** The default is 1024. */
const fewShares = 64;

/**
 * Turns a stack into an isolated copy of it: fresh volumes, images by id, internal networks without an address on the
 * host, nothing published, nothing resolved outside, nothing of the live stack mounted, nothing restarted.
 */
export function scratchProject(request: ScratchRequest): ScratchProject {
  const { model, project, images } = request;
  const used: Record<string, string> = { ...request.volumes };
  const omitted: string[] = [];
  const labels = labelsOf(request);
  const services: Record<string, ComposeService> = {};
  for (const [name, service] of Object.entries(model.services)) {
    if (images[name] === undefined)
      omitted.push(`${name}: the whole service (it had no container)`);
    else services[name] = scratchService(name, service, request, used, omitted);
  }
  const names = [...new Set([...Object.keys(model.networks ?? {}), "default"])];
  return {
    model: {
      name: project,
      services,
      networks: Object.fromEntries(names.map((name) => [name, isolated(project, name, labels)])),
      volumes: Object.fromEntries(
        Object.values(used).map((volume) => [volume, { name: volume, labels }]),
      ),
    },
    volumes: used,
    omitted,
  };
}

/** The labels by which a later run finds a copy that a killed one left. */
function labelsOf(
  request: Pick<ScratchRequest, "operationId" | "labels" | "model">,
): Record<string, string> {
  return {
    ...request.labels,
    [keeperLabels.operation]: request.operationId,
    [keeperLabels.kind]: "scratch",
    [keeperLabels.project]: request.model.name,
  };
}

/**
 * `internal` alone leaves the bridge an address, at which services of the host answer: none is given to it (the engine's
 * `com.docker.network.bridge.inhibit_ipv4`).
 */
function isolated(project: string, name: string, labels: Record<string, string>) {
  return {
    name: `${project}_${name}`,
    driver: "bridge",
    internal: true,
    enable_ipv6: false,
    driver_opts: { "com.docker.network.bridge.inhibit_ipv4": "true" },
    labels,
  };
}

function scratchService(
  name: string,
  service: ComposeService,
  request: ScratchRequest,
  used: Record<string, string>,
  omitted: string[],
): ComposeService {
  const lost = (text: string) => void omitted.push(`${name}: ${text}`);
  const staying = stayingKeys(service, request, lost);
  const { mounts, missing } = mountsOf(service, request, used);
  for (const text of missing) lost(text);
  const own = { ...staying, ...limitsOfDeploy(service), ...pacedHealth(service) };
  return {
    ...own,
    // The engine refuses a reservation above the limit.
    ...("mem_limit" in own ? {} : { mem_limit: memoryLimit, mem_reservation: undefined }),
    ...limitsOf(own),
    ...processorsOf(own, request),
    ...isolation(own),
    image: request.images[name] as string,
    pull_policy: "never",
    restart: "no",
    logging: { driver: "json-file" },
    labels: labelsOf(request),
    ...placeOf(service, staying, request.hostnames[name], lost),
    depends_on: dependencies(service, request),
    volumes: mounts,
  } as ComposeService;
}

/** The stack beside the copy comes first: less processor, no swap, and the copy dies first when memory runs out. */
function limitsOf(own: Readonly<Record<string, unknown>>) {
  return {
    memswap_limit: own.memswap_limit ?? own.mem_limit ?? memoryLimit,
    pids_limit: own.pids_limit ?? mostProcesses,
    cpu_shares: fewShares,
    oom_score_adj: 900,
  };
}

/** With fewer a start would take longer than in the stack itself, which waits for nobody: shares rule there alone. */
const leastProcessors = 2;

/** Half of the processors stay for the stack beside the copy. */
function processorsOf(
  own: Readonly<Record<string, unknown>>,
  { processors = 0 }: Pick<ScratchRequest, "processors">,
) {
  const most = Math.max(leastProcessors, processors / 2);
  // The engine takes only one of the two ways to say it.
  const isSaid = own.cpu_quota !== undefined || own.cpu_period !== undefined;
  if (isSaid || processors <= most || Number(own.cpus ?? Number.POSITIVE_INFINITY) <= most) {
    return {};
  }
  return { cpus: most };
}

/** Nothing in the copy gains rights, and nothing forges packets. */
function isolation({
  cap_drop: dropped,
  security_opt: options,
}: Readonly<Record<string, unknown>>) {
  const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  return {
    security_opt: [...new Set([...list(options), "no-new-privileges:true"])],
    cap_drop: [...new Set([...list(dropped), "NET_RAW"])],
  };
}

/** The keys that a clone keeps, whole or in part. */
function stayingKeys(
  service: ComposeService,
  request: ScratchRequest,
  lost: (text: string) => void,
): Record<string, unknown> {
  const around = {
    ...{ service, model: request.model },
    has: (name: string) => request.images[name] !== undefined,
  };
  const staying: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(service)) {
    if (isNothing(value) || key.startsWith("x-")) continue;
    const treatment = cloneKeys[key] ?? { dropped: "this version does not know it" };
    const keep = cloneParts[key];
    if (treatment === "kept") staying[key] = value;
    else if ("dropped" in treatment) lost(line(key, shown(value), treatment.dropped));
    else if (keep !== undefined) {
      const { value: left, lost: gone = [] } = keep(value, around);
      if (left !== undefined) staying[key] = left;
      for (const text of gone) lost(text);
    }
  }
  return staying;
}

/** What a file may say without meaning anything. */
function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** A value that names something; whether a flag is set is told by its key. */
function shown(value: unknown): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  const all = Array.isArray(value) ? value : [];
  return all
    .map((one) => (typeof one === "object" ? (one as { source?: string }).source : String(one)))
    .filter((one) => one !== undefined)
    .join(", ");
}

/** Its place in the clone's networks and its names there. One that joins another's network has none of its own. */
function placeOf(
  service: ComposeService,
  { network_mode: mode }: Readonly<Record<string, unknown>>,
  ofData: string | undefined,
  lost: (text: string) => void,
) {
  // The engine takes nothing of the kind from one that joins another's network.
  if (typeof mode === "string" && mode !== "none") {
    return { expose: undefined, hostname: undefined, domainname: undefined };
  }
  const hostname = ofData ?? service.hostname;
  const named = hostname === undefined ? {} : { hostname };
  if (mode === "none") return named;
  return { dns: ["127.0.0.1"], networks: networksOf(service, lost), ...named };
}

/**
 * A health check each second, and for as long as the stack's own would take to give up: with an interval of 30 s a copy
 * would wait for its first check most of its time. One that checks more often during its start stays as it is.
 */
function pacedHealth({ healthcheck }: ComposeService): { healthcheck?: unknown } {
  if (typeof healthcheck !== "object" || healthcheck === null) return {};
  const { test, timeout, interval, retries, start_period, start_interval } = healthcheck as Record<
    string,
    unknown
  >;
  if (test === undefined || start_interval !== undefined) return {};
  const everySeconds = seconds(interval) || 30;
  const patience = seconds(start_period) + everySeconds * (Number(retries ?? 0) || 3);
  if (everySeconds <= 1) return {};
  const paced = { test, interval: "1s", retries: Math.ceil(patience) };
  return { healthcheck: { ...paced, ...(timeout === undefined ? {} : { timeout }) } };
}

/** A duration of Compose, such as `1m30s` or `200ms`, in seconds. */
function seconds(duration: unknown): number {
  const units: Readonly<Record<string, number>> = {
    h: 3600,
    m: 60,
    s: 1,
    ms: 1e-3,
    us: 1e-6,
    ns: 1e-9,
  };
  const parts = String(duration ?? "").matchAll(/([\d.]+)(h|ms|us|ns|m|s)/g);
  return [...parts].reduce(
    (sum, [, n = "0", unit = "s"]) => sum + Number(n) * (units[unit] ?? 1),
    0,
  );
}

/** By the names under which the others know it; its container's own name would collide with the live one. */
function aliasesOf(service: ComposeService): string[] {
  return [service.container_name, service.hostname].filter(
    (name): name is string => typeof name === "string",
  );
}

/** The addresses and options of a network that a clone does not keep. */
const addressKeys = ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address"];
const optionKeys = ["driver_opts", "interface_name"];

function networksOf(service: ComposeService, lost: (text: string) => void) {
  const given = (service.networks ?? {}) as Readonly<
    Record<string, Readonly<Record<string, unknown>> | null>
  >;
  const own = aliasesOf(service);
  // Also a service of the host's or another container's network: in a clone it has its own.
  const names = Object.keys(given);
  return Object.fromEntries(
    (names.length === 0 ? ["default"] : names).map((name) => {
      const endpoint = given[name] ?? {};
      for (const key of [...addressKeys, ...optionKeys]) {
        if (isNothing(endpoint[key])) continue;
        lost(line(`networks.${name}.${key}`, shown(endpoint[key]), ownNetwork));
      }
      const aliases = (endpoint.aliases ?? []) as readonly string[];
      return [name, { aliases: [...new Set([...aliases, ...own])] }];
    }),
  );
}

function dependencies(service: ComposeService, request: ScratchRequest) {
  return Object.fromEntries(
    Object.entries(service.depends_on ?? {})
      .filter(([needed]) => request.images[needed] !== undefined)
      .map(([needed, { condition }]) => [needed, { condition }]),
  );
}
