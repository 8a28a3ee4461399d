import { type Component, type Manifest, stackKind } from "../../model/manifest.ts";
import type { ComposeModel, DiscoveredStore, Mount } from "../../model/stack.ts";
import type { Store } from "../../stores/store.ts";
import { requireStoreOfKind, storeOf } from "../../stores/stores.ts";

/** The components of one store of the backup. */
export interface BackedUpStore {
  readonly name: string;
  readonly kind: string;
  readonly service: string | undefined;
  readonly components: readonly Component[];
  /** How it is restored, where that is not as its kind is. */
  readonly handler?: StoreHandler;
  /** Where it belongs, where that is known beforehand. */
  readonly mount?: Mount;
  /** Only a part of what is in its place is replaced: the rest is kept there. */
  readonly isPart?: boolean;
}

/** What a restore needs of a store. */
type StoreHandler = Pick<Store, "restore" | "measure" | "requireFit">;

/** The handler of a store that was found or is being filled. */
export function handlerOf(store: BackedUpStore, at: DiscoveredStore): StoreHandler {
  return store.handler ?? storeOf(at);
}

/**
 * Groups the components of a backup by the store they are of. The compose files are no store.
 *
 * @throws RefusedError for a store that this version does not know.
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

/** What the store's kind says of it. */
export function contractOf({ kind }: Pick<BackedUpStore, "kind">): Store {
  return requireStoreOfKind(kind);
}

/**
 * The volume name or host path that a store had on its host; undefined where the model does not tell.
 * Servers are told by where their service mounts its data.
 */
export function originOf(store: BackedUpStore, model: ComposeModel): string | undefined {
  const [first] = store.components;
  if (first === undefined) return undefined;
  if (!contractOf(store).hasServer) return first.source;
  const mounts = (model.services[store.service ?? ""]?.volumes ?? []).filter(
    ({ type, read_only, source }) =>
      (type === "volume" || type === "bind") && read_only !== true && source !== undefined,
  );
  // A service may have further writable mounts; an older backup does not tell which one is the server's own.
  const recorded = store.components.map(({ details }) => details.mountTarget);
  const own = mounts.filter(({ target }) => recorded.includes(target));
  const [mount, other] = own.length === 0 ? mounts : own;
  if (other !== undefined || mount?.source === undefined) return undefined;
  const name = model.volumes?.[mount.source]?.name;
  return mount.type === "volume" && typeof name === "string" ? name : mount.source;
}
