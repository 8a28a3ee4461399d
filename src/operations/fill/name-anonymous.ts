import { basename, dirname } from "node:path";
import type { ComposeModel, ComposeService } from "../../model/stack.ts";
import type { BackedUpStore } from "./backed-up-store.ts";

type MountEntry = NonNullable<ComposeService["volumes"]>[number];

/**
 * The model with a name for each volume that has none and belongs to a store of the backup: one that an image declares, or
 * `- /data` in the compose file. The name only tells places apart: the engine gives such a volume another one.
 */
export function nameAnonymous(model: ComposeModel, stores: readonly BackedUpStore[]): ComposeModel {
  let named = model;
  for (const store of stores) {
    const target = targetOf(store);
    const service = named.services[store.service ?? ""];
    if (target === undefined || store.service === undefined || service === undefined) continue;
    const volumes = service.volumes ?? [];
    const isThere = (one: MountEntry) => withoutSlash(one.target) === withoutSlash(target);
    if (volumes.some((one) => isThere(one) && (one.source ?? "") !== "")) continue;
    const name = nameOf(store, target);
    const entry: MountEntry = { type: "volume", source: name, target };
    const others = volumes.filter((one) => !isThere(one));
    named = {
      ...named,
      services: {
        ...named.services,
        [store.service]: { ...service, volumes: [...others, entry] },
      },
      volumes: { ...named.volumes, [name]: { name } },
    };
  }
  return named;
}

/** 0 for the volume of a service's first replica, 1 for that of the next one at the same path, and so on. */
export function placeAmongReplicas(store: BackedUpStore, stores: readonly BackedUpStore[]): number {
  const target = targetOf(store);
  if (target === undefined) return 0;
  const same = stores.filter(
    (other) => other.service === store.service && targetOf(other) === target,
  );
  return Math.max(
    0,
    same.findIndex(({ name }) => name === store.name),
  );
}

/** Where a container has it, if its volume has no name. */
function targetOf({ components }: BackedUpStore): string | undefined {
  const found = components.map(({ details }) => details.mountTarget);
  const target = found.find((one) => typeof one === "string");
  return target === undefined ? undefined : withoutSlash(target);
}

/** A directory's component records where the engine kept the volume, which holds its name. */
function nameOf({ service, components: [first] }: BackedUpStore, target: string): string {
  const source = first?.source ?? "";
  if (/\/volumes\/[^/]+\/_data$/.test(source)) return basename(dirname(source));
  return `anonymous-${service}-${target.replace(/[^\w.-]+/g, "-")}`;
}

function withoutSlash(path: string): string {
  return path.replace(/(.)\/+$/, "$1");
}
