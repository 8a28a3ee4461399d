import type { Manifest } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { ContainerState } from "../../model/stack.ts";

/** Whether each container runs the image of the backup after the rollback. Pure. */
export function imagesAfter(
  containers: readonly Pick<ContainerState, "service" | "imageId">[],
  { services }: Pick<Manifest, "services">,
): Check[] {
  return containers.map(({ service, imageId }) => {
    const subject = { name: "image after", component: service } as const;
    return imageId === services[service]?.imageId
      ? { ...subject, status: "pass", detail: imageId }
      : { ...subject, status: "fail", detail: `it runs ${imageId}` };
  });
}
