import { RefusedError } from "../../core/errors.ts";
import { inspectImage } from "../../stack/images.ts";
import { lostPlaces } from "../live-stack/lost-places.ts";
import type { UpgradeSession } from "./session.ts";
import type { NewImages } from "./upgrade-images.ts";

/**
 * Refuses a new image that has no volume where the old one keeps data in a volume without a name. Compose would leave
 * that volume behind, and the new version would start without its data.
 *
 * @throws RefusedError that names the service and the place.
 */
export async function refuseLostVolumes(
  { stack, host }: Pick<UpgradeSession, "stack" | "host">,
  images: NewImages,
): Promise<void> {
  const engine = await host.engine();
  for (const [service, id] of Object.entries(images)) {
    const declared = (await inspectImage(engine, id))?.volumes ?? [];
    const [place] = lostPlaces(stack, service, declared);
    if (place === undefined) continue;
    throw new RefusedError(
      `service ${service} keeps ${place} in a volume without a name, and the new image declares no volume there`,
      {
        class: "anonymous-volume",
        hint: "The new version would start without that data: give the volume a name in the compose file.",
      },
    );
  }
}
