import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, ContainerState, Mount } from "../../model/stack.ts";
import { type BackedUpStore, originOf } from "../fill/backed-up-store.ts";

/** A store of the backup, and where it belongs on this host. */
export interface PlacedStore {
  readonly store: BackedUpStore;
  readonly mount: Mount;
}

/**
 * The mount of the stack that a store of the backup belongs to: what the service that had it then has at the same path
 * now, whatever the volume or directory is called here.
 *
 * @param model - the model of the backup
 * @throws RefusedError when no container has it.
 */
export function mountOf(
  store: BackedUpStore,
  model: ComposeModel,
  containers: readonly ContainerState[],
): Mount {
  if (store.mount !== undefined) return store.mount;
  const origin = originOf(store, model);
  const uses = origin === undefined ? [] : usesOf(origin, model);
  const own = uses.filter(({ service }) => service === store.service);
  for (const { service, target } of [...own, ...uses]) {
    const found = containers
      .filter((container) => container.service === service)
      .flatMap(({ mounts }) => mounts)
      .find((mount) => mount.writable && mount.target === target);
    if (found !== undefined) return found;
  }
  const found = containers
    .flatMap(({ mounts }) => mounts)
    .find(({ volume, source, writable }) => {
      if (!writable || origin === undefined) return false;
      return volume === origin || source === origin || origin.endsWith(`/volumes/${volume}/_data`);
    });
  if (found !== undefined) return found;
  throw new RefusedError(`no container of the stack mounts ${origin ?? store.name}`, {
    class: "no-place",
    hint: `${store.name} was there when the backup was made; is the compose file another one? \`only\` leaves it out`,
  });
}

/** The services that have a store's data mounted, by the model of the backup. */
export function servicesOf(store: BackedUpStore, model: ComposeModel): string[] {
  const origin = originOf(store, model);
  const uses = origin === undefined ? [] : usesOf(origin, model).map(({ service }) => service);
  return [...new Set([...(store.service === undefined ? [] : [store.service]), ...uses])];
}

/** Where the services of a model have a volume or a path of their host. */
function usesOf(origin: string, { services, volumes: named }: ComposeModel) {
  return Object.entries(services).flatMap(([service, { volumes }]) =>
    (volumes ?? []).flatMap(({ type, source = "", target, read_only }) => {
      const name = type === "volume" ? named?.[source]?.name : source;
      const is = name === origin || origin.endsWith(`/volumes/${String(name)}/_data`);
      return is && read_only !== true ? [{ service, target: target.replace(/(.)\/+$/, "$1") }] : [];
    }),
  );
}

/** The stores that `only` names, by name or kind; all without it. @throws RefusedError for a name that is none. */
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
