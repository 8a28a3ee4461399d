import { RefusedError } from "../../core/errors.ts";
import type { Component } from "../../model/manifest.ts";
import { type BackedUpStore, contractOf, type StoreHandler } from "../fill/backed-up-store.ts";
import { chosenStores, partOf } from "./store-mounts.ts";

/**
 * The stores that `only` selects for a restore in place: whole ones, and those of which it names single databases or
 * collections. By default all.
 *
 * @throws RefusedError for what the backup does not have, or what two of its servers have.
 */
export function chosenInPlace(
  stores: readonly BackedUpStore[],
  only: readonly string[],
): BackedUpStore[] {
  const parts = new Map<BackedUpStore, Set<Component>>();
  const words: string[] = [];
  for (const word of only) {
    const components = partOf(stores, word);
    if (components === undefined) {
      words.push(word);
      continue;
    }
    const store = ownerOf(stores, components, word);
    parts.set(store, new Set([...(parts.get(store) ?? []), ...components]));
  }
  const whole = words.length === 0 && parts.size > 0 ? [] : chosenStores(stores, words);
  const others = [...parts].filter(([store]) => !whole.includes(store));
  return [
    ...whole,
    ...others.map(([store, components]) => ({
      ...store,
      components: [...components],
      isPart: true,
      handler: handlerOfPart(store),
    })),
  ];
}

function ownerOf(
  stores: readonly BackedUpStore[],
  components: readonly Component[],
  word: string,
): BackedUpStore {
  const [owner, other] = stores.filter((store) =>
    store.components.some((component) => components.includes(component)),
  );
  if (owner === undefined) throw new Error(`${word} is of no store`);
  if (other === undefined) return owner;
  throw new RefusedError(`only: ${word} is in ${owner.name} and in ${other.name}`, {
    class: "input",
    hint: `give ${owner.name} or ${other.name} before the slash`,
  });
}

function handlerOfPart(store: BackedUpStore): StoreHandler {
  const { restorePart, requirePartFit, requireFit, measure } = contractOf(store);
  if (restorePart === undefined) {
    throw new RefusedError(`only: of ${store.name} only everything is restored into the stack`, {
      class: "input",
      hint: "give --target DIRECTORY, then load it from there: docs/lost-file.md",
    });
  }
  return {
    restore: restorePart,
    measure,
    requireFit: async (...asked) => {
      await requireFit?.(...asked);
      await requirePartFit?.(...asked);
    },
  };
}
