import type { Component, Manifest } from "../../model/manifest.ts";
import type { ComposeModel, DiscoveredStore, Mount } from "../../model/stack.ts";
import type { Store } from "../../stores/store.ts";
import { storeOf } from "../../stores/stores.ts";

/** The components of one store of the backup. */
export interface BackedUpStore {
  readonly name: string;
  readonly kind: DiscoveredStore["kind"];
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
export type StoreHandler = Pick<Store, "restore" | "measure" | "requireFit">;

/** The handler of a store that was found or is being filled. */
export function handlerOf(store: BackedUpStore, at: DiscoveredStore): StoreHandler {
  return store.handler ?? storeOf(at);
}

/** Groups the components of a backup by the store they are of. The compose files are no store. */
export function storesOf(manifest: Manifest): BackedUpStore[] {
  const stores = new Map<string, BackedUpStore>();
  for (const component of manifest.components) {
    const { store: kind, service, name } = component;
    if (kind === "stack" || kind === "sqlite") continue;
    const isTree = kind === "data" || kind === "volume";
    const key = isTree ? name : `${kind} ${service ?? ""}`;
    const before = stores.get(key);
    stores.set(key, {
      name: isTree ? name : (service ?? name),
      ...{ kind, service },
      components: [...(before?.components ?? []), component],
    });
  }
  return [...stores.values()];
}

/** Whether the store's content is put in place while its server is down; the others are filled through their server. */
export function isPlacedAtRest({ kind }: Pick<BackedUpStore, "kind">): boolean {
  return kind !== "postgres" && kind !== "qdrant";
}

/**
 * The volume name or host path that a store had on its host; undefined where the model does not tell.
 * Servers are told by where their service mounts its data.
 */
export function originOf(store: BackedUpStore, model: ComposeModel): string | undefined {
  const [first] = store.components;
  if (first === undefined) return undefined;
  if (store.kind === "data" || store.kind === "volume") return first.source;
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

/** A store that is put in place at rest, on the given mount. */
export function storeAt(store: BackedUpStore, mount: Mount, manifest: Manifest): DiscoveredStore {
  const { name, kind, service = "" } = store;
  const details = store.components[0]?.details ?? {};
  const databases = Object.keys((details.databases ?? {}) as Record<string, unknown>);
  const services = [service];
  switch (kind) {
    case "data": {
      const vaultKey = typeof details.vaultKey === "string" ? details.vaultKey : undefined;
      const place = { path: mount.source, mount, services, databases };
      return { kind, name: "data", vaultKey, exclude: [], ...place };
    }
    case "volume":
      return { kind, name, mount, services, databases };
    case "redis": {
      const common = { name, service, containerId: "", mount, port: 6379 };
      return { kind, ...common, password: undefined, appendOnly: details.appendOnly === true };
    }
    case "rabbitmq": {
      const nodeName = manifest.brokerNodeName ?? "";
      return { kind, name, service, containerId: "", mount, nodeName, pinned: true };
    }
    default:
      throw new Error(`${kind} is not put in place at rest`);
  }
}
