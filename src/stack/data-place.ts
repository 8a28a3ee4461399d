import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { type TaskRunner, taskMount } from "../core/task.ts";
import type { ContainerState, DataStore, Mount } from "../model/stack.ts";
import { lookTask } from "./look.ts";
import { isGateway, sophonProfile } from "./profile.ts";
import { within } from "./shared.ts";

/** The inputs that select the places with data. */
export interface PlaceOptions {
  /** The data directory on the host. */
  readonly dataDir?: string | undefined;
  /** What to leave out: services, volumes, host paths, paths inside the data directory. */
  readonly exclude?: readonly string[] | undefined;
  /** Path of the key file inside the data directory; `none` for a stack without a key file. */
  readonly vaultKey?: string | undefined;
}

/** One volume or host path, and all services that write to it. */
export interface Place {
  readonly mount: Mount;
  readonly services: readonly string[];
}

/**
 * Chooses the data directory: the one that `data-dir` names, otherwise the gateway's only writable mount, otherwise the
 * gateway mount that contains the key file.
 *
 * @returns undefined for a stack of another product without `data-dir`.
 * @throws RefusedError when the data directory cannot be determined.
 */
export async function chooseDataPlace(
  containers: readonly ContainerState[],
  places: readonly Place[],
  options: PlaceOptions,
  deps: { readonly tasks: TaskRunner; readonly signal?: AbortSignal | undefined },
): Promise<Omit<DataStore, "databases" | "exclude"> | undefined> {
  const gateways = containers
    .filter(({ service, imageReference }) => isGateway(sophonProfile, service, imageReference))
    .map(({ service }) => service);
  const sophon = gateways.length > 0;
  const known = options.vaultKey ?? (sophon ? sophonProfile.vaultKey : undefined);
  const vaultKey = known === "none" ? undefined : known;
  const store = ({ mount, services }: Place, path = mount.source) =>
    ({ kind: "data", name: "data", path, mount, services, vaultKey }) as const;
  if (options.dataDir !== undefined) {
    const { place, path } = await namedPlace(options.dataDir, places);
    return store(place, path);
  }
  if (!sophon) return undefined;
  const candidates = places.filter(({ services }) => services.some((s) => gateways.includes(s)));
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return store(only);
  const withKey = await placesWithKey(candidates, sophonProfile.vaultKey, deps);
  if (withKey[0] !== undefined && withKey.length === 1) return store(withKey[0]);
  const found = candidates.map(({ mount }) => mount.source).join(", ") || "none";
  throw new RefusedError(`the data directory is ambiguous (writable mounts: ${found})`, {
    class: "no-data-dir",
    hint: `Name it with data-dir: the directory that contains ${sophonProfile.vaultKey}.`,
  });
}

async function namedPlace(
  dataDir: string,
  places: readonly Place[],
): Promise<{ place: Place; path: string }> {
  const wanted = resolve(dataDir);
  const real = await realpath(wanted).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") return wanted;
    throw new RefusedError(`data-dir: there is no directory ${wanted}`, {
      class: "no-data-dir",
      hint: "Give the stack's data directory as a path on this host.",
      cause: error,
    });
  });
  for (const path of [wanted, real]) {
    const place = places.find(({ mount }) => mount.source === path);
    if (place !== undefined) return { place, path };
  }
  // The services may mount parts of the directory separately.
  const parts = places.filter(({ mount }) => mount.type === "bind" && within(mount.source, real));
  const [first] = parts;
  if (first !== undefined) {
    const services = [...new Set(parts.flatMap((part) => part.services))];
    return { place: { mount: { ...first.mount, source: real }, services }, path: real };
  }
  const sources = places.map(({ mount }) => mount.source);
  throw new RefusedError(`data-dir: no service of the stack writes to ${wanted}`, {
    class: "no-data-dir",
    hint: `They write to ${sources.join(", ") || "no path of this host"}.`,
  });
}

async function placesWithKey(
  candidates: readonly Place[],
  vaultKey: string,
  deps: { readonly tasks: TaskRunner; readonly signal?: AbortSignal | undefined },
): Promise<Place[]> {
  if (candidates.length === 0) return [];
  const places = candidates.map(({ mount }) => ({
    path: mount.source,
    wanted: vaultKey,
    skip: [],
    deep: false,
  }));
  const mounts = candidates.map(({ mount }) => taskMount(mount, true));
  const found = await deps.tasks.run(lookTask, { places }, { mounts }, deps.signal);
  return candidates.filter(({ mount }) =>
    found.some(({ path, hasWanted }) => path === mount.source && hasWanted),
  );
}
