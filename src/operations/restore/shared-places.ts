import { RefusedError } from "../../core/errors.ts";
import type { Mount } from "../../model/stack.ts";
import { findSharedUses } from "../../stack/shared.ts";
import type { RestoreSession } from "./journal.ts";

/** Refuses to replace a volume or path that a container outside the stack also uses. @throws RefusedError. */
export async function refuseSharedPlaces(
  { project, options, host }: Pick<RestoreSession, "project" | "options" | "host">,
  stores: readonly { readonly store: { readonly name: string }; readonly mount: Mount }[],
): Promise<void> {
  if (options.allowSharedPaths) return;
  const places = stores.map(({ store, mount }) => ({
    ...{ kind: "volume" as const, name: store.name, mount, services: [], databases: [] },
  }));
  const [shared] = await findSharedUses(await host.engine(), { project, stores: places });
  if (shared === undefined) return;
  throw new RefusedError(`${shared.source} is also used by container ${shared.container}`, {
    class: "shared-path",
    hint: "stop and remove that container, or give allow-shared-paths if its data may be replaced while it runs",
  });
}
