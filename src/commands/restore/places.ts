import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, ContainerState, Mount } from "../../model/stack.ts";
import { type BackedUpStore, originOf } from "../scratch/stores.ts";

/**
 * The mount of the stack that a store of the backup belongs to, found by the containers that are there now.
 *
 * @throws RefusedError when none of them has it.
 */
export function mountOf(
  store: BackedUpStore,
  model: ComposeModel,
  containers: readonly ContainerState[],
): Mount {
  const origin = originOf(store, model);
  const own = containers.filter(
    ({ service }) => store.service === undefined || service === store.service,
  );
  const mounts = [...own, ...containers].flatMap((container) => container.mounts);
  const found = mounts.find(({ volume, source, writable }) => {
    if (!writable || origin === undefined) return false;
    return volume === origin || source === origin || origin.endsWith(`/volumes/${volume}/_data`);
  });
  if (found !== undefined) return found;
  throw new RefusedError(`no container of the stack mounts ${origin ?? store.name}`, {
    class: "no-place",
    hint: `${store.name} was there when the backup was made; is the compose file another one? \`only\` leaves it out`,
  });
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
