import { RefusedError, UnverifiableError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Rehearsal } from "../../model/rehearsal.ts";
import type { Engine } from "../../stack/engine.ts";
import { freeForVolumes } from "../../stack/engine-space.ts";
import { inspectImage } from "../../stack/images.ts";
import { kindOfImage } from "../../stack/server-kind.ts";
import { removeIdleTemplates } from "../session/idle-templates.ts";
import { imageVersion } from "../upgrade/store-versions.ts";
import { refuseJump } from "../upgrade/version-rules.ts";
import type { RehearsedImages } from "./rehearsed-images.ts";

/** The data, its rollback copy, and what a migration writes. */
const timesTheData = 3;
const spareBytes = 5 * 2 ** 30;

/**
 * Kept copies of other backups are removed if their room is needed.
 *
 * @param hasTemplate - one of the three copies of the data is there already
 * @throws UnverifiableError if the file system of the engine's volumes has too little room.
 */
export async function requireDisk(
  { components }: Manifest,
  hasTemplate: boolean,
  dependencies: Parameters<typeof removeIdleTemplates>[0],
): Promise<void> {
  const engine = await dependencies.host.engine();
  const data = components.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  const needed = (hasTemplate ? timesTheData - 1 : timesTheData) * data + spareBytes;
  const isEnough = (free: number | undefined) => free === undefined || free >= needed;
  if (isEnough(await freeForVolumes(engine))) return;
  await removeIdleTemplates(dependencies, { all: true });
  const free = await freeForVolumes(engine);
  if (isEnough(free)) return;
  throw new UnverifiableError(
    `a rehearsal needs ${formatBytes(needed)} for volumes, and ${formatBytes(free ?? 0)} are free`,
    { class: "disk", hint: "Make room on the disk of the Docker engine." },
  );
}

/** The sizes of all images that change, together. */
export async function imageSizes(
  engine: Engine,
  images: RehearsedImages,
  ids: Readonly<Record<string, string>>,
): Promise<NonNullable<Rehearsal["imageBytes"]>> {
  let [from, to] = [0, 0];
  for (const [service, id] of Object.entries(ids)) {
    from += (await inspectImage(engine, images[service]?.fromId ?? ""))?.bytes ?? 0;
    to += (await inspectImage(engine, id))?.bytes ?? 0;
  }
  return { from, to };
}

/**
 * Refuses a new version of a store that could not read the data, as the live upgrade does.
 *
 * @throws RefusedError.
 */
export async function requireVersions(
  context: Parameters<typeof imageVersion>[0],
  { services, storeVersions, components }: Manifest,
  images: RehearsedImages,
  ids: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [service, id] of Object.entries(ids)) {
    const store = components.find((one) => one.service === service)?.store;
    const kind = kindOfImage(services[service]?.image ?? "") ?? store;
    if (kind !== "postgres" && kind !== "qdrant" && kind !== "rabbitmq") continue;
    const to = await imageVersion(context, kind, id, images[service]?.to ?? "");
    const { fromId = "", from: old = "" } = images[service] ?? {};
    // Files made by hand record no version: the old image runs on the data in the control.
    const from = storeVersions[service] ?? (await imageVersion(context, kind, fromId, old));
    const refusal = refuseJump({ kind, service, from, to });
    if (refusal === undefined) continue;
    throw new RefusedError(refusal.message, { class: refusal.class, hint: refusal.hint });
  }
}
