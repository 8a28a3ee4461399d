import { basename, relative } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { type TaskRunner, taskMount } from "../core/task.ts";
import {
  type ComposeModel,
  type ContainerState,
  type DataStore,
  type DiscoveredStore,
  hasServer,
  type Mount,
  type VolumeStore,
} from "../model/stack.ts";
import { chooseDataPlace, type Place, type PlaceOptions } from "./data-place.ts";
import { type LookResult, lookTask } from "./look.ts";
import { mayBeEmpty } from "./server-kind.ts";
import { within } from "./shared.ts";

/** Where the stack keeps data, and what was left out. */
interface PlacedStores {
  readonly stores: readonly DiscoveredStore[];
  readonly excluded: readonly string[];
  readonly notes: readonly string[];
}

/** Host paths that belong to the machine, not to the stack. */
const systemPaths = ["/dev", "/proc", "/run", "/sys", "/var/run"];

/**
 * Sorts every writable mount of the containers: a server's, the data directory, a volume of its own, excluded, or
 * none of the stack's business. None is dropped without being told.
 *
 * @throws RefusedError when the data directory or a server's volume is missing or empty, or an input is misspelt.
 */
export async function placeStores(
  containers: readonly ContainerState[],
  model: ComposeModel,
  servers: readonly DiscoveredStore[],
  options: PlaceOptions,
  deps: { readonly tasks: TaskRunner; readonly signal?: AbortSignal | undefined },
): Promise<PlacedStores> {
  const notes: string[] = [];
  const places = writablePlaces(containers).filter((place) => !isIgnored(place, notes));
  const isServers = ({ mount }: Place) => servers.some((store) => samePlace(store.mount, mount));
  const free = places.filter((place) => !isServers(place));
  const data = await chooseDataPlace(containers, free, options, deps);
  const { excluded, paths } = readExclude(places, containers, model, data?.path, options);
  const kept = free.filter((place) => !excluded.has(place));
  const covered = (place: Place) =>
    data !== undefined && place.mount.type === "bind" && within(place.mount.source, data.path);
  const others = kept.filter((place) => !covered(place));
  const nested = places.filter(
    (place) => covered(place) && (isServers(place) || excluded.has(place)),
  );
  const inside = nested
    .map(({ mount }) => relative(data?.path ?? "/", mount.source))
    .filter((path) => path !== "");
  const looked = await lookAt(data, others, servers, [...inside, ...paths], deps);
  for (const server of servers) checkServer(server, looked.get(server.mount.source));
  const names = new Set<string>();
  const volumes = others.flatMap((place) => {
    const found = looked.get(place.mount.source);
    if (found?.type === "socket" || found?.type === "other") {
      notes.push(`${place.mount.source} is no file or directory: not copied`);
      return [];
    }
    if (found?.empty !== false) notes.push(`${describe(place.mount)} is empty`);
    const name = volumeName(place, model, names);
    return [volumeStore(place, name, found)];
  });
  const dataStores = data === undefined ? [] : [checkData(data, looked, [...inside, ...paths])];
  return {
    stores: [...dataStores, ...servers.filter((s) => !isExcluded(s.mount, excluded)), ...volumes],
    excluded: [...[...excluded].map(({ mount }) => describe(mount)), ...paths],
    notes,
  };
}

function writablePlaces(containers: readonly ContainerState[]): Place[] {
  const places = new Map<string, { mount: Mount; services: Set<string> }>();
  for (const { service, mounts } of containers) {
    for (const mount of mounts) {
      if (!mount.writable) continue;
      const key = mount.type === "tmpfs" ? `tmpfs:${service}:${mount.target}` : placeKey(mount);
      const place = places.get(key) ?? { mount, services: new Set() };
      place.services.add(service);
      places.set(key, place);
    }
  }
  return [...places.values()].map(({ mount, services }) => ({ mount, services: [...services] }));
}

function placeKey({ volume, source }: Mount): string {
  return volume ?? source;
}

function samePlace(a: Mount, b: Mount): boolean {
  return placeKey(a) === placeKey(b);
}

function isIgnored({ mount, services }: Place, notes: string[]): boolean {
  const where = `${services.join(", ")}: ${mount.target}`;
  if (mount.type === "tmpfs") notes.push(`${where} is in memory only: not copied`);
  else if (mount.type === "other") notes.push(`${where} is no volume and no path: not copied`);
  else if (mount.type === "bind" && systemPaths.some((path) => within(mount.source, path)))
    notes.push(`${where} is ${mount.source} of the host: not copied`);
  else return false;
  return true;
}

/** What `exclude` means: whole places, and paths inside the data directory. */
function readExclude(
  places: readonly Place[],
  containers: readonly ContainerState[],
  model: ComposeModel,
  dataPath: string | undefined,
  options: PlaceOptions,
): { excluded: ReadonlySet<Place>; paths: string[] } {
  const entries = options.exclude ?? [];
  const isService = (name: string) =>
    name in model.services || containers.some(({ service }) => service === name);
  const services = new Set(entries.filter(isService));
  const excluded = new Set<Place>();
  for (const place of places)
    if (place.services.every((service) => services.has(service))) excluded.add(place);
  const paths: string[] = [];
  for (const entry of entries) {
    if (services.has(entry)) continue;
    const real = realName(model, entry);
    const named = places.filter(
      ({ mount }) =>
        mount.source === entry ||
        (mount.volume !== undefined && [real, entry].includes(mount.volume)),
    );
    for (const place of named) excluded.add(place);
    if (named.length > 0) continue;
    const path = entry.startsWith("/") ? relative(dataPath ?? "/", entry) : entry;
    const isPath = entry.includes("/") && dataPath !== undefined && !path.startsWith("..");
    if (isPath) paths.push(path.replace(/^\.\/|\/+$/g, ""));
    else
      throw new RefusedError(`exclude: there is no service, volume or path ${entry}`, {
        class: "no-such-exclude",
        hint: `The volumes and paths are ${places.map(({ mount }) => placeKey(mount)).join(", ")}; inside the data directory write ./${entry}.`,
      });
  }
  return { excluded, paths };
}

function isExcluded(mount: Mount, excluded: ReadonlySet<Place>): boolean {
  return [...excluded].some((place) => samePlace(place.mount, mount));
}

function realName(model: ComposeModel, key: string): string | undefined {
  const name = model.volumes?.[key]?.name;
  return typeof name === "string" ? name : undefined;
}

async function lookAt(
  data: { readonly path: string; readonly mount: Mount } | undefined,
  others: readonly Place[],
  servers: readonly DiscoveredStore[],
  skip: readonly string[],
  deps: { readonly tasks: TaskRunner; readonly signal?: AbortSignal | undefined },
): Promise<ReadonlyMap<string, LookResult>> {
  const places = [
    ...(data === undefined ? [] : [{ path: data.path, skip, deep: true }]),
    ...others.map(({ mount }) => ({ path: mount.source, skip: [], deep: true })),
    ...servers.map(({ mount }) => ({ path: mount.source, skip: [], deep: false })),
  ];
  const mounts = [
    ...(data === undefined ? [] : [taskMount(data.mount, true)]),
    ...[...others, ...servers].map(({ mount }) => taskMount(mount, true)),
  ];
  if (places.length === 0) return new Map();
  const results = await deps.tasks.run(lookTask, { places }, { mounts }, deps.signal);
  return new Map(results.map((result) => [result.path, result]));
}

function checkServer(store: DiscoveredStore, found: LookResult | undefined): void {
  if (found?.empty === false) return;
  if (hasServer(store) && mayBeEmpty(store.kind) && found?.type === "directory") return;
  const what = found?.type === "missing" ? "missing" : "empty";
  throw new RefusedError(`${describe(store.mount)} of ${store.name} is ${what}`, {
    class: "empty-volume",
    hint: `Is it the right volume? Check the compose file's volume names and project-name, or leave it out with exclude: ${placeKey(store.mount)}.`,
  });
}

function checkData(
  data: Omit<DataStore, "databases" | "exclude">,
  looked: ReadonlyMap<string, LookResult>,
  exclude: readonly string[],
): DataStore {
  const found = looked.get(data.path);
  if (found?.type === "directory" && !found.empty)
    return { ...data, databases: found.databases, exclude };
  const what = found?.type === "directory" ? "is empty" : "is no directory";
  throw new RefusedError(`data-dir: ${data.path} ${what}`, {
    class: "empty-data-dir",
    hint: "Is it the right one? Give the stack's data directory with data-dir.",
  });
}

function volumeStore(place: Place, name: string, found: LookResult | undefined): VolumeStore {
  const { mount, services } = place;
  return { kind: "volume", name, mount, services, databases: found?.databases ?? [] };
}

/** `volume-<key in the compose file>`, or by the path; unique, and fit to be a file's name. */
function volumeName(place: Place, model: ComposeModel, taken: Set<string>): string {
  const { mount, services } = place;
  const key = Object.keys(model.volumes ?? {}).find((k) => realName(model, k) === mount.volume);
  const named = key !== undefined && mount.volume !== undefined;
  const anonymous = `${services[0]}-${basename(mount.target)}`;
  const base = named ? key : mount.anonymous ? anonymous : basename(mount.volume ?? mount.source);
  const clean = `volume-${base.replace(/[^a-zA-Z0-9._-]+/g, "-")}`;
  let name = clean;
  for (let next = 2; taken.has(name); next += 1) name = `${clean}-${next}`;
  taken.add(name);
  return name;
}

function describe(mount: Mount): string {
  return mount.volume === undefined ? mount.source : `volume ${mount.volume}`;
}
