import type { Stack } from "../../model/stack.ts";
import { registryHas, repoDigest } from "../../stack/images.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import type { Finding } from "./findings.ts";

const name = "images";

/** An image that is only on this host is gone with it: nothing brings the old version back then. */
export async function judgeImages(
  stack: Stack,
  { host, signal }: HostDependencies,
): Promise<Finding[]> {
  const engine = await host.engine();
  const images = new Map(stack.containers.map((one) => [one.imageId, one]));
  const asked = [...images].map(async ([id, { service, imageReference }]): Promise<Finding[]> => {
    const digest = await repoDigest(engine, id, imageReference);
    const has = digest === null ? false : await registryHas(engine, digest, signal);
    if (has === true) return [];
    if (has === undefined) {
      const detail = `whether ${imageReference} of ${service} can still be pulled is not known: its registry does not answer, or not to this user (docker login)`;
      return [{ status: "warn", name, detail }];
    }
    const isBuilt = stack.model.services[service]?.build !== undefined;
    const why =
      digest !== null ? "no longer in its registry" : isBuilt ? "built here" : "in no registry";
    const detail = `${imageReference} of ${service} is ${why}: it cannot be pulled again, here or on another host; keep it with docker save, or push it`;
    return [{ status: "warn", name, detail }];
  });
  const found = (await Promise.all(asked)).flat();
  if (found.length > 0) return found;
  return [{ status: "pass", name, detail: `${images.size}, all can be pulled again` }];
}
