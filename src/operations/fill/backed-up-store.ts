import { type Component, type Manifest, stackKind } from "../../model/manifest.ts";
import {
  type ComposeModel,
  cleanSource,
  type DiscoveredStore,
  type Mount,
} from "../../model/stack.ts";
import type { Store } from "../../stores/store.ts";
import { requireStoreOfKind, storeOf } from "../../stores/stores.ts";

/** The components of one store of the backup. */
export interface BackedUpStore {
  readonly name: string;
  readonly kind: string;
  readonly service: string | undefined;
  readonly components: readonly Component[];
  /** A special restore handler; by default the handler of its kind. */
  readonly handler?: StoreHandler;
  /** Its mount, if it is known in advance. */
  readonly mount?: Mount;
  /** Only a part of the content of its mount is replaced: the rest stays there. */
  readonly isPart?: boolean;
}

/** The methods of a store that a restore uses. */
export type StoreHandler = Pick<Store, "restore" | "measure" | "requireFit">;

/** The handler of a discovered store. */
export function handlerOf(store: BackedUpStore, at: DiscoveredStore): StoreHandler {
  return store.handler ?? storeOf(at);
}

/**
 * Groups the components of a backup by store. The compose files are not a store.
 *
 * @throws RefusedError for a store that this version does not support.
 */
export function storesOf(manifest: Manifest): BackedUpStore[] {
  const stores = new Map<string, BackedUpStore>();
  for (const component of manifest.components) {
    const { store: kind, service, name } = component;
    if (kind === stackKind) continue;
    const { hasServer } = requireStoreOfKind(kind);
    const key = hasServer ? `${kind} ${service ?? ""}` : name;
    const before = stores.get(key);
    stores.set(key, {
      name: hasServer ? (service ?? name) : name,
      ...{ kind, service },
      components: [...(before?.components ?? []), component],
    });
  }
  return [...stores.values()];
}

/** The contract of the store's kind. */
export function contractOf({ kind }: Pick<BackedUpStore, "kind">): Store {
  return requireStoreOfKind(kind);
}

/**
 * The volume name or host path of a store on its host; undefined if the model does not name it. For a server it is the
 * data mount of its service.
 */
export function originOf(store: BackedUpStore, model: ComposeModel): string | undefined {
  const [first] = store.components;
  if (first === undefined) return undefined;
  if (!contractOf(store).hasServer) return first.source;
  const mounts = (model.services[store.service ?? ""]?.volumes ?? []).filter(
    ({ type, read_only, source }) =>
      (type === "volume" || type === "bind") && read_only !== true && source !== undefined,
  );
  // A service may have other writable mounts. An older backup does not record which one holds the server's data.
  const recorded = store.components.map(({ details }) => details.mountTarget);
  const own = mounts.filter(({ target }) => recorded.includes(target));
  const [mount, other] = own.length === 0 ? mounts : own;
  if (other !== undefined || mount?.source === undefined) return undefined;
  const name = model.volumes?.[mount.source]?.name;
  return mount.type === "volume" && typeof name === "string" ? name : cleanSource(mount.source);
}
