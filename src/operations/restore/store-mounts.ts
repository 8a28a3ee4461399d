import { RefusedError } from "../../core/errors.ts";
import { realPath } from "../../core/real-path.ts";
import type { Component } from "../../model/manifest.ts";
import {
  type ComposeModel,
  type ContainerState,
  cleanSource,
  type Mount,
} from "../../model/stack.ts";
import { type BackedUpStore, originOf } from "../fill/backed-up-store.ts";
import { nameAnonymous, placeAmongReplicas } from "../fill/name-anonymous.ts";

/** A store of the backup, and its mount on this host. */
export interface PlacedStore {
  readonly store: BackedUpStore;
  readonly mount: Mount;
}

/**
 * The current mount for a store of the backup: the mount of the same service at the same path, whatever the name of its
 * volume or directory is now. Replicas have a volume without a name each, at the same path.
 *
 * @param model - the model of the backup
 * @param stores - the stores that are restored together: each replica's goes to another one
 * @throws RefusedError if no container has such a mount.
 */
export function mountOf(
  store: BackedUpStore,
  model: ComposeModel,
  containers: readonly ContainerState[],
  stores: readonly BackedUpStore[] = [store],
): Mount {
  if (store.mount !== undefined) return store.mount;
  const named = nameAnonymous(model, [store]);
  const origin = originOf(store, named);
  const uses = origin === undefined ? [] : usesOf(origin, named);
  const own = uses.filter(({ service }) => service === store.service);
  for (const { service, target } of [...own, ...uses]) {
    const found = containers
      .filter((container) => container.service === service)
      .flatMap(({ mounts }) => mounts)
      .filter((mount) => mount.writable && mount.target === target);
    const same = found.find((mount) => isAt(mount, origin));
    if (same !== undefined) return same;
    const has = (other: BackedUpStore) => found.some((one) => isAt(one, originOf(other, model)));
    const taken = (one: Mount) => stores.some((other) => isAt(one, originOf(other, model)));
    const free = new Map(
      found.filter((one) => !taken(one)).map((one) => [one.volume ?? one.source, one]),
    );
    const lost = stores.filter((other) => !has(other));
    const replica = [...free.values()][placeAmongReplicas(store, lost)];
    if (replica !== undefined) return replica;
  }
  const found = containers
    .flatMap(({ mounts }) => mounts)
    .find((mount) => mount.writable && isAt(mount, origin));
  if (found !== undefined) return found;
  throw new RefusedError(`no container of the stack mounts ${origin ?? store.name}`, {
    class: "no-place",
    hint: `the backup contains ${store.name}: use the compose file of the backup, or leave this store out with \`only\``,
  });
}

function isAt({ volume, source }: Mount, origin: string | undefined): boolean {
  if (origin === undefined) return false;
  if (volume === origin || origin.endsWith(`/volumes/${volume}/_data`)) return true;
  // A backup records what a symbolic link leads to.
  return source === origin || (volume === undefined && realPath(source) === origin);
}

/** The services that mount a store's data, by the model of the backup. */
export function servicesOf(store: BackedUpStore, model: ComposeModel): string[] {
  const origin = originOf(store, model);
  const uses = origin === undefined ? [] : usesOf(origin, model).map(({ service }) => service);
  return [...new Set([...(store.service === undefined ? [] : [store.service]), ...uses])];
}

/** The writable mounts of a volume or host path in the services of a model. */
function usesOf(origin: string, { services, volumes: named }: ComposeModel) {
  return Object.entries(services).flatMap(([service, { volumes }]) =>
    (volumes ?? []).flatMap(({ type, source = "", target, read_only }) => {
      const name = type === "volume" ? named?.[source]?.name : cleanSource(source);
      const is = name === origin || origin.endsWith(`/volumes/${String(name)}/_data`);
      return is && read_only !== true ? [{ service, target: target.replace(/(.)\/+$/, "$1") }] : [];
    }),
  );
}

/**
 * The database or collection that a word such as `postgres/sophon` selects: a store by name, kind or service, and a part
 * of it. Undefined for a word that names a whole store.
 *
 * @throws RefusedError if the store has no such part.
 */
export function partOf(stores: readonly BackedUpStore[], word: string): Component[] | undefined {
  if (stores.some(({ name }) => name === word)) return undefined;
  // A name of a store has no slash; that of a collection may have one.
  const [, name, part] = /^([^/]+)\/(.+)$/s.exec(word) ?? [];
  if (name === undefined || part === undefined) return undefined;
  const components = chosenStores(stores, [name]).flatMap((store) => store.components);
  const found = components.filter((component) => partName(component) === part);
  if (found.length > 0) return found;
  const parts = components.flatMap((component) => partName(component) ?? []);
  throw new RefusedError(`only: ${name} has no ${part} in this backup`, {
    class: "input",
    hint:
      parts.length === 0
        ? `${name} has no databases or collections that can be restored one by one: give only: ${name}; for files give path`
        : `it has ${parts.join(", ")}`,
  });
}

/** The database or collection that a component is. */
function partName({ details }: Component): string | undefined {
  const part = details.database ?? details.collection;
  return typeof part === "string" ? part : undefined;
}

/** The stores that `only` selects by name, kind or service; by default all. @throws RefusedError for unknown names. */
export function chosenStores(
  stores: readonly BackedUpStore[],
  only: readonly string[],
): BackedUpStore[] {
  const matches = (store: BackedUpStore, word: string) =>
    word === store.name || word === store.kind || word === store.service;
  const unknown = only.find((word) => !stores.some((store) => matches(store, word)));
  if (unknown !== undefined) {
    const names = stores.map(({ name }) => name).join(", ");
    throw new RefusedError(`only: the backup has no store ${unknown}; it has ${names}`, {
      class: "input",
    });
  }
  if (only.length === 0) return [...stores];
  return stores.filter((store) => only.some((word) => matches(store, word)));
}

/**
 * Refuses to replace a directory that contains the place of a store that is not restored: its data would be set aside.
 *
 * @throws RefusedError that names both stores.
 */
export function refuseWithoutInner(
  stores: readonly BackedUpStore[],
  all: readonly BackedUpStore[],
  model: ComposeModel,
): void {
  for (const store of stores) {
    const outer = originOf(store, model);
    if (outer === undefined) continue;
    const inner = all
      .filter((other) => !stores.some(({ name }) => name === other.name))
      .find((other) => originOf(other, model)?.startsWith(`${outer}/`) === true);
    if (inner === undefined) continue;
    throw new RefusedError(`only: the directory of ${store.name} contains that of ${inner.name}`, {
      class: "input",
      hint: `restore both: add ${inner.name} to only`,
    });
  }
}
