import type { ComposeService, ContainerState, Stack } from "../../model/stack.ts";
import type { AnonymousVolume } from "../../stack/like-container.ts";

/** The volumes of a container that have no name in the files. */
export function anonymousOf({ mounts }: Pick<ContainerState, "mounts">): AnonymousVolume[] {
  return mounts.flatMap(({ anonymous, volume, target }) =>
    anonymous && volume !== undefined ? [{ volume, target }] : [],
  );
}

/**
 * The places of a service's volumes without a name that its next container would not have: neither the files nor the
 * image that it gets (`declared`) has a volume there. Compose would leave that volume behind.
 */
export function lostPlaces(
  { model, containers }: Pick<Stack, "model" | "containers">,
  service: string,
  declared: readonly string[],
): string[] {
  const { volumes = [], volumes_from: shared }: ComposeService = model.services[service] ?? {};
  // Their places come from another service, with that service's volumes.
  if (Array.isArray(shared) && shared.length > 0) return [];
  const kept = new Set([...declared, ...volumes.map(({ target }) => target)].map(withoutSlash));
  const own = containers.filter((one) => one.service === service);
  return own
    .flatMap(anonymousOf)
    .map(({ target }) => target)
    .filter((target) => !kept.has(withoutSlash(target)));
}

function withoutSlash(path: string): string {
  return path.replace(/(.)\/+$/, "$1");
}
