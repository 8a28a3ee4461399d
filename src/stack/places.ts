import { basename, relative } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { realPath } from "../core/real-path.ts";
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
import { isHostPath } from "./host-paths.ts";
import { engineAt } from "./known-engines.ts";
import { type LookResult, lookTask } from "./look.ts";
import { isNamedIn, settingsOf } from "./named-files.ts";
import { isInside, outermost } from "./overlap.ts";
import { sophonProfile } from "./profile.ts";
import { mayBeEmpty } from "./server-kind.ts";
import { within } from "./shared.ts";

/** The stores of a stack, and what was left out. */
interface PlacedStores {
  readonly stores: readonly DiscoveredStore[];
  readonly excluded: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Classifies every writable mount of the containers: part of a server, the data directory, a separate volume, excluded,
 * or not data of the stack. Every mount that is not backed up is reported.
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
    data !== undefined &&
    place.mount.type === "bind" &&
    within(realPath(place.mount.source), realPath(data.path));
  const others = outermost(kept.filter((place) => !covered(place)));
  const elsewhere = places
    .filter((place) => isServers(place) || excluded.has(place))
    .map(({ mount }) => mount.source);
  /** What a place contains of other stores and of excluded places, as relative paths. */
  const insideOf = (directory: string) =>
    [...elsewhere, ...(data === undefined ? [] : [data.path])]
      .filter((path) => isInside(path, directory))
      .map((path) => relative(directory, path));
  const inside = data === undefined ? [] : insideOf(data.path);
  const looked = await lookAt(data, others, servers, { inside: insideOf, paths }, deps);
  for (const server of servers) checkServer(server, looked.get(server.mount.source));
  const names = new Set<string>();
  const volumes = others.flatMap((place) => {
    const found = looked.get(place.mount.source);
    if (found?.type === "socket" || found?.type === "other") {
      notes.push(`${place.mount.source} is neither a file nor a directory: not copied`);
      return [];
    }
    if (found?.empty !== false) notes.push(`${describe(place.mount)} is empty`);
    const name = volumeName(place, model, names);
    const settings = settingsOf(place.services, model, containers);
    const exclude = insideOf(place.mount.source);
    const store = volumeStore(place, name, found, { exclude, settings });
    return [{ ...store, ...writersOf(store, found, containers) }];
  });
  const settings = data === undefined ? [] : settingsOf(data.services, model, containers);
  const exclude = [...inside, ...paths];
  const dataStores = data === undefined ? [] : [checkData(data, looked, { exclude, settings })];
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
  else if (mount.type === "other")
    notes.push(`${where} is neither a volume nor a bind mount: not copied`);
  else if (mount.type === "bind" && isHostPath(mount.source))
    notes.push(`${where} is ${mount.source}, which belongs to the host: not copied`);
  else return false;
  return true;
}

/** Resolves `exclude` to whole places and to paths inside the data directory. */
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
  skip: { readonly inside: (path: string) => string[]; readonly paths: readonly string[] },
  deps: { readonly tasks: TaskRunner; readonly signal?: AbortSignal | undefined },
): Promise<ReadonlyMap<string, LookResult>> {
  const places = [
    ...(data === undefined
      ? []
      : [{ path: data.path, skip: [...skip.inside(data.path), ...skip.paths], deep: true }]),
    ...others.map(({ mount }) => ({
      path: mount.source,
      skip: skip.inside(mount.source),
      deep: true,
    })),
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
    hint: `Check that it is the right volume (the volume names in the compose file, project-name), or leave it out with exclude: ${placeKey(store.mount)}.`,
  });
}

function checkData(
  data: Omit<DataStore, "databases" | "exclude">,
  looked: ReadonlyMap<string, LookResult>,
  {
    exclude,
    settings,
  }: { readonly exclude: readonly string[]; readonly settings: readonly string[] },
): DataStore {
  const found = looked.get(data.path);
  const isNamed = (path: string) => path === sophonProfile.database || isNamedIn(path, settings);
  if (found?.type === "directory" && !found.empty)
    return { ...data, ...databasesOf(found, isNamed), exclude };
  const what = found?.type === "directory" ? "is empty" : "is not a directory";
  throw new RefusedError(`data-dir: ${data.path} ${what}`, {
    class: "empty-data-dir",
    hint: "Check the path: data-dir must name the stack's data directory.",
  });
}

function volumeStore(
  { mount, services }: Place,
  name: string,
  found: LookResult | undefined,
  {
    exclude,
    settings,
  }: { readonly exclude: readonly string[]; readonly settings: readonly string[] },
): VolumeStore {
  const isFile = found?.type === "file" ? { isFile: true } : {};
  const databases = databasesOf(found, (path) => isNamedIn(path, settings));
  return { kind: "volume", name, mount, services, ...databases, exclude, ...isFile };
}

/** The containers that may write to a place, and the database server that they are. */
function writersOf(
  { mount, services }: VolumeStore,
  found: LookResult | undefined,
  containers: readonly ContainerState[],
): Pick<VolumeStore, "writers" | "engine"> {
  const isOf = (one: Mount) =>
    one.writable &&
    (samePlace(one, mount) ||
      (one.source !== "" && within(realPath(one.source), realPath(mount.source))));
  const own = containers.filter((one) => services.includes(one.service) && one.mounts.some(isOf));
  const engine = engineAt(
    own.map(({ imageReference }) => imageReference),
    found?.names ?? [],
  );
  return { writers: own.map(({ id }) => id), ...(engine === undefined ? {} : { engine }) };
}

/** The databases of a place. A file that something names must be one, if it begins like one. */
function databasesOf(found: LookResult | undefined, isNamed: (path: string) => boolean) {
  const { databases = [], alike = [] } = found ?? {};
  return {
    databases: [...databases, ...alike.filter(isNamed)],
    optional: databases.filter((path) => !isNamed(path)),
    alike: alike.filter((path) => !isNamed(path)),
  };
}

/** `volume-<key in the compose file>`, or a name derived from the path. Unique and valid as a file name. */
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
