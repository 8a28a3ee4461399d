import { type Component, stackKind } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { failedCheck } from "../../stores/check-result.ts";
import { checkStackFiles } from "../../stores/stack-files/stack-files.ts";
import type { CheckContext } from "../../stores/store.ts";
import { storeOfKind } from "../../stores/stores.ts";

/** The input of a component check besides the context of its store. */
interface ImageLookup {
  /** Whether the image with this id is on this host. @throws KeeperError if the engine cannot be reached. */
  hasImage(imageId: string): Promise<boolean>;
}

/**
 * Reads one component to its last byte with the check of its store. Never throws for the component itself: if it cannot
 * be judged here, the check is `unverifiable`. The check is `fail` only if the bytes prove damage.
 */
export async function checkComponent(
  component: Component,
  context: CheckContext,
  images: ImageLookup,
): Promise<Check[]> {
  const subject = { name: "contents", component: component.name };
  try {
    const missing = await missingImage(component, context, images);
    if (missing !== undefined) {
      // The bytes are still verified; the structure is not.
      await readThrough(component, context);
      return [{ ...subject, status: "unverifiable", detail: missing }];
    }
    const checks = await checkStructure(component, context);
    if (checks.length > 0) return checks;
    return [{ ...subject, status: "unverifiable", detail: "the component was not checked" }];
  } catch (error) {
    context.signal.throwIfAborted();
    return [failedCheck(subject, error)];
  }
}

async function checkStructure(component: Component, context: CheckContext): Promise<Check[]> {
  if (component.store === stackKind) return await checkStackFiles(component, context);
  const store = storeOfKind(component.store);
  if (store !== undefined) return await store.check(component, context);
  await readThrough(component, context);
  const detail = `this version does not know the structure of ${component.store} components`;
  return [{ name: "contents", component: component.name, status: "unverifiable", detail }];
}

async function missingImage(
  component: Component,
  { manifest }: CheckContext,
  images: ImageLookup,
): Promise<string | undefined> {
  if (storeOfKind(component.store)?.checksWithImage !== true) return undefined;
  const service = manifest.services[component.service ?? ""];
  if (service === undefined) return "the manifest does not name the image of its service";
  if (await images.hasImage(service.imageId)) return undefined;
  const name = service.repoDigest ?? service.image;
  return `its image is not on this host: docker pull ${name}`;
}

async function readThrough(component: Component, context: CheckContext): Promise<void> {
  for await (const _chunk of await context.open(component)) context.signal.throwIfAborted();
}
