import type { StoreKind } from "../model/manifest.ts";
import type { DiscoveredStore } from "../model/stack.ts";
import { postgresStore } from "./postgres/postgres.ts";
import { qdrantStore } from "./qdrant/qdrant.ts";
import { rabbitmqStore } from "./rabbitmq/rabbitmq.ts";
import { redisStore } from "./redis/redis.ts";
import type { Store } from "./store.ts";
import { dataStore } from "./tree/store.ts";
import { volumeStore } from "./tree/volume.ts";

const stores: {
  readonly [K in DiscoveredStore["kind"]]: Store<Extract<DiscoveredStore, { kind: K }>>;
} = {
  data: dataStore,
  postgres: postgresStore,
  qdrant: qdrantStore,
  redis: redisStore,
  rabbitmq: rabbitmqStore,
  volume: volumeStore,
};

/** The store that handles what discovery found. */
export function storeOf<S extends DiscoveredStore>(found: S): Store<S> {
  return stores[found.kind] as unknown as Store<S>;
}

/** The store that reads components of a kind; undefined for what is part of another component, or no store. */
export function storeOfKind(
  kind: StoreKind,
): Pick<Store, "kind" | "check" | "requireFit"> | undefined {
  const all = stores as unknown as Readonly<Partial<Record<StoreKind, Store>>>;
  return all[kind];
}
