import { RefusedError } from "../../core/errors.ts";
import type { ComposeModel, Stack, VolumeStore } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { everyName } from "../../options/values.ts";
import type { VolumeMode } from "../../stores/store.ts";

/**
 * How each volume is kept consistent, by the store's name. With `consistency: stopped` nobody writes to any of them.
 *
 * @throws RefusedError for a name that is no volume, path or component of the stack.
 */
export function volumeModes(
  stack: Pick<Stack, "stores" | "model" | "excluded">,
  { volumeConsistency: given, consistency }: Pick<Options, "volumeConsistency" | "consistency">,
): Record<string, VolumeMode> {
  const volumes = stack.stores.filter((store) => store.kind === "volume");
  const modes = given as Readonly<Record<string, VolumeMode>>;
  const { [everyName]: everywhere = "freeze" } = modes;
  const found: Record<string, VolumeMode> = Object.fromEntries(
    volumes.map(({ name }) => [name, everywhere]),
  );
  for (const [name, mode] of Object.entries(modes)) {
    if (name === everyName) continue;
    const store = volumes.find((one) => namesOf(one, stack.model).includes(name));
    if (store === undefined) {
      const known = volumes.map((one) => one.name).join(", ") || "none";
      throw new RefusedError(`volume-consistency: there is no volume ${name}`, {
        class: "input",
        hint: `the volumes and bind mounts that are copied as files are: ${known}`,
      });
    }
    found[store.name] = mode;
  }
  if (consistency === "live") return found;
  return Object.fromEntries(Object.keys(found).map((name) => [name, "stop"]));
}

/** The volumes whose writers are stopped during the copy. @throws RefusedError as {@link volumeModes} does. */
export function stoppedVolumes(
  stack: Pick<Stack, "stores" | "model" | "excluded">,
  options: Pick<Options, "volumeConsistency" | "consistency">,
): VolumeStore[] {
  const modes = volumeModes(stack, options);
  return stack.stores.filter(
    (store) => store.kind === "volume" && modes[store.name] === "stop",
  ) as VolumeStore[];
}

/** The component, the volume in the compose file and in the engine, and the path. */
function namesOf({ name, mount }: VolumeStore, model: ComposeModel): string[] {
  const keys = Object.entries(model.volumes ?? {}).flatMap(([key, volume]) =>
    mount.volume !== undefined && volume?.name === mount.volume ? [key] : [],
  );
  return [name, mount.source, ...(mount.volume === undefined ? [] : [mount.volume]), ...keys];
}
