import type { VolumeStore } from "../../model/stack.ts";
import type { Store } from "../store.ts";
import { treeStore } from "./store.ts";

/** Any other volume or bind mount that a service writes, archived like the data directory. */
export const volumeStore: Store<VolumeStore> = treeStore("volume", (store) => ({
  path: store.mount.source,
  name: store.name,
  store: "volume",
  service: store.services[0],
  vaultKey: undefined,
  databases: store.databases,
  exclude: [],
}));
