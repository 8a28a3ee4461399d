import { keeperLabels } from "./keeper-labels.ts";
import { type ComposeModel, type ComposeService, cleanSource } from "./stack.ts";

/** What an isolated copy of a stack is made from. */
interface ScratchRequest {
  /** The resolved model of the stack that the backup was made of. */
  readonly model: ComposeModel;
  /** Name of the copy; the stack's own name is `model.name`. */
  readonly project: string;
  /** The operation it belongs to. */
  readonly operationId: string;
  /** Further labels, such as who owns it. */
  readonly labels: Readonly<Record<string, string>>;
  /** The image of each service that is copied, by id; a service without one is left out. */
  readonly images: Readonly<Record<string, string>>;
  /** Host names that data is bound to, by service. */
  readonly hostnames: Readonly<Record<string, string>>;
  /** Volume names and host paths that get a fresh, empty volume each. */
  readonly stores: readonly string[];
  /** Copies of read-only files, by their path on the stack's host. */
  readonly files: Readonly<Record<string, string>>;
  /** Files that services may write to: the path of the copy's own file, by the path on the stack's host. Absent: none. */
  readonly ownFiles?: Readonly<Record<string, string>>;
  /** Paths inside {@link ScratchRequest.stores} that are not in the backup. Absent: none. */
  readonly holes?: readonly string[];
  /** The volumes of an earlier definition of the same copy ({@link ScratchProject.volumes}), which stay. */
  readonly volumes?: Readonly<Record<string, string>>;
}

/** An isolated copy of a stack, ready for Compose. */
export interface ScratchProject {
  readonly model: ComposeModel;
  /** The fresh volume for each entry of {@link ScratchRequest.stores} that the model mounts. */
  readonly volumes: Readonly<Record<string, string>>;
  /** What the copy does without, one line each. */
  readonly omitted: readonly string[];
}

/** What stays of a service as it is. Everything else is left out: a new Compose feature is no way out of a copy. */
const kept = [
  ...["command", "entrypoint", "environment", "healthcheck", "user", "working_dir", "tmpfs"],
  ...["ulimits", "init", "shm_size", "mem_limit", "mem_reservation", "memswap_limit", "cpus"],
  ...["pids_limit", "stop_signal", "stop_grace_period", "read_only", "group_add", "cap_drop"],
  ...["expose", "platform", "tty", "stdin_open"],
] as const;

/** So that a copy cannot take the memory of the stack beside it. */
const memoryLimit = "4g";

type MountEntry = NonNullable<ComposeService["volumes"]>[number];

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
    if (images[name] === undefined) omitted.push(`service ${name} is not copied`);
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
  const staying = Object.fromEntries(
    kept.flatMap((key) => (service[key] === undefined ? [] : [[key, service[key]]])),
  );
  const hostname = request.hostnames[name];
  const volumes = (service.volumes ?? []).flatMap((mount) =>
    scratchMount(name, mount, request, used, omitted),
  );
  const granted = [
    ...grants(name, service, "secrets", request),
    ...grants(name, service, "configs", request),
  ];
  for (const { missing } of granted) if (missing !== undefined) omitted.push(missing);
  return {
    mem_limit: memoryLimit,
    ...staying,
    ...pacedHealth(service),
    image: request.images[name] as string,
    pull_policy: "never",
    restart: "no",
    logging: { driver: "json-file" },
    labels: labelsOf(request),
    ...placeOf(service, hostname, request),
    depends_on: dependencies(service, request),
    volumes: [...volumes, ...granted.flatMap(({ mount }) => (mount === undefined ? [] : [mount]))],
  } as ComposeService;
}

/** The namespaces of another service of the copy, where it had those of that service in the stack; else its own. */
function placeOf(service: ComposeService, hostname: string | undefined, request: ScratchRequest) {
  const shared = Object.fromEntries(
    (["network_mode", "pid", "ipc"] as const).flatMap((key) => {
      const value = service[key];
      const provider = typeof value === "string" ? /^service:(.+)$/.exec(value)?.[1] : undefined;
      return provider !== undefined && request.images[provider] !== undefined ? [[key, value]] : [];
    }),
  );
  // The engine takes nothing of the kind from one that joins another's network.
  if ("network_mode" in shared) return { ...shared, expose: undefined };
  const own = { dns: ["127.0.0.1"], networks: networksOf(service, aliasesOf(service)) };
  return { ...shared, ...own, ...(hostname === undefined ? {} : { hostname }) };
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

function networksOf(service: ComposeService, own: readonly string[]) {
  const given = service.networks as
    | Readonly<Record<string, { readonly aliases?: readonly string[] } | null>>
    | undefined;
  // Also a service of the host's or another container's network: in a copy it has its own.
  const names = Object.keys(given ?? {});
  return Object.fromEntries(
    (names.length === 0 ? ["default"] : names).map((name) => [
      name,
      { aliases: [...new Set([...(given?.[name]?.aliases ?? []), ...own])] },
    ]),
  );
}

function dependencies(service: ComposeService, request: ScratchRequest) {
  return Object.fromEntries(
    Object.entries(service.depends_on ?? {})
      .filter(([needed]) => request.images[needed] !== undefined)
      .map(([needed, { condition }]) => [needed, { condition }]),
  );
}

function scratchMount(
  service: string,
  mount: MountEntry,
  request: ScratchRequest,
  used: Record<string, string>,
  omitted: string[],
): MountEntry[] {
  const { type, target } = mount;
  if (type === "tmpfs") return [{ type, target }];
  const source = sourceOf(mount, request.model);
  if (source === undefined) return type === "volume" ? [{ type, target }] : [];
  const readOnly = mount.read_only === true ? { read_only: true } : {};
  const own = request.ownFiles?.[source];
  if (own !== undefined) return [{ type: "bind", source: own, target, ...readOnly }];
  const store =
    request.stores.find((place) => samePlace(place, source)) ?? storeAround(source, request);
  if (store !== undefined) {
    used[store] ??= `${request.project}_${Object.keys(used).length}`;
    const subpath = subpathOf(mount, source, store);
    const part = subpath === undefined ? {} : { volume: { subpath } };
    return [{ type: "volume", source: used[store], target, ...readOnly, ...part }];
  }
  const copy = type === "bind" ? copyOf(source, request.files) : undefined;
  if (copy !== undefined) return [{ type: "bind", source: copy, target, read_only: true }];
  if (type === "volume") {
    // Not in the backup, such as one that was excluded: empty, and its own.
    used[source] ??= `${request.project}_${Object.keys(used).length}`;
    omitted.push(`${service}: the content of volume ${source}`);
    return [{ type: "volume", source: used[source], target }];
  }
  omitted.push(`${service}: ${source}, mounted at ${target}`);
  return [];
}

/** The store that contains a path of the host. What is mounted there is a part of it, seen by several services. */
function storeAround(source: string, { stores, holes = [] }: ScratchRequest): string | undefined {
  const isIn = (directory: string) => source === directory || source.startsWith(`${directory}/`);
  return holes.some(isIn)
    ? undefined
    : stores.find((place) => place.startsWith("/") && isIn(place));
}

/** The part of a store that is mounted: a path inside the store's directory, or the stack's own subpath of a volume. */
function subpathOf(mount: MountEntry, source: string, store: string): string | undefined {
  if (mount.type === "bind" && source.startsWith(`${store}/`)) {
    return source.slice(store.length + 1);
  }
  const { subpath } = (mount.volume ?? {}) as { readonly subpath?: unknown };
  return typeof subpath === "string" ? subpath : undefined;
}

/** The real name of a volume, or the path on the host. */
function sourceOf(mount: MountEntry, model: ComposeModel): string | undefined {
  if (mount.source === undefined || mount.source === "") return undefined;
  if (mount.type !== "volume") return cleanSource(mount.source);
  const name = model.volumes?.[mount.source]?.name;
  return typeof name === "string" ? name : mount.source;
}

/** The copy of a path, or of what is in a directory that was copied as a whole. */
function copyOf(path: string, files: ScratchRequest["files"]): string | undefined {
  const root = Object.keys(files).find((known) => path === known || path.startsWith(`${known}/`));
  return root === undefined ? undefined : `${files[root]}${path.slice(root.length)}`;
}

/** A volume is told by its name, or by the directory that it has on the host. */
function samePlace(place: string, source: string): boolean {
  if (place === source) return true;
  return !source.startsWith("/") && place.endsWith(`/volumes/${source}/_data`);
}

function grants(
  service: string,
  definition: ComposeService,
  kind: "secrets" | "configs",
  { model, files }: ScratchRequest,
): { mount?: MountEntry; missing?: string }[] {
  const given = definition[kind] as
    | readonly { readonly source: string; readonly target?: string }[]
    | undefined;
  return (given ?? []).map(({ source, target }) => {
    const file = model[kind]?.[source]?.file;
    const copy = typeof file === "string" ? copyOf(file, files) : undefined;
    if (copy === undefined) return { missing: `${service}: ${kind.slice(0, -1)} ${source}` };
    const place = target ?? source;
    const directory = kind === "secrets" ? "/run/secrets/" : "/";
    const path = place.startsWith("/") ? place : `${directory}${place}`;
    return { mount: { type: "bind", source: copy, target: path, read_only: true } };
  });
}
