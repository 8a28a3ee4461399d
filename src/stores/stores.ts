import { RefusedError } from "../core/errors.ts";
import type { DiscoveredStore, DiscoveredStores } from "../model/stack.ts";
import { postgresStore } from "./postgres/postgres.ts";
import { qdrantStore } from "./qdrant/qdrant.ts";
import { rabbitmqStore } from "./rabbitmq/rabbitmq.ts";
import { redisStore } from "./redis/redis.ts";
import type { Store } from "./store.ts";
import { dataStore, volumeStore } from "./tree/tree-store.ts";

/** Every store, one line each. */
export const stores: { readonly [K in keyof DiscoveredStores]: Store<DiscoveredStores[K]> } = {
  data: dataStore,
  postgres: postgresStore,
  qdrant: qdrantStore,
  redis: redisStore,
  rabbitmq: rabbitmqStore,
  volume: volumeStore,
};

/** The store for a discovered store. */
export function storeOf<S extends DiscoveredStore>(found: S): Store<S> {
  return stores[found.kind] as unknown as Store<S>;
}

/** The store of a kind that a manifest names; undefined if this version does not know the kind. */
export function storeOfKind(kind: string): Store | undefined {
  return Object.hasOwn(stores, kind) ? (stores[kind as keyof typeof stores] as Store) : undefined;
}

/**
 * The store of a kind that a manifest names.
 *
 * @throws RefusedError when this version does not know the kind.
 */
export function requireStoreOfKind(kind: string): Store {
  const store = storeOfKind(kind);
  if (store !== undefined) return store;
  throw new RefusedError(
    `the backup contains a store of kind ${kind}, which this version does not know`,
    {
      class: "unknown-store",
      hint: "use the version that made the backup, or a newer one",
    },
  );
}
