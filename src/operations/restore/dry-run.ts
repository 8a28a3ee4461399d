import type { Manifest } from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { StackFiles } from "../../stores/stack-files/stack-files.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { findImages } from "./backup-images.ts";
import { makingsOf, type StackNow } from "./current-stack.ts";
import { lookAtFiles } from "./put-stack-files.ts";
import { requireFits } from "./store-compatibility.ts";
import { mountOf } from "./store-mounts.ts";

/** The input of a dry run. */
interface PlannedRequest {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly files: StackFiles;
  readonly stack: StackNow;
  readonly stores: readonly BackedUpStore[];
}

/** Describes what a restore would do: the content that each store replaces, and the files, images and containers. */
export async function planned(
  { manifest, source, files, stack, stores }: PlannedRequest,
  options: Options,
  { host, signal, ...dependencies }: HostDependencies,
): Promise<Readonly<Record<string, unknown>>> {
  const makings = makingsOf(manifest, stack, stores, options);
  const isComplete = makings.create.length === 0 && makings.replace.length === 0;
  const { tasks, containers } = await host.workbench("dry-run", { ...dependencies, signal });
  const engine = await host.engine();
  const asked = { stack, stores, makings, engine, tasks, containers };
  await requireFits(asked, { ...dependencies, signal });
  const given = { manifest, source, files, moved: stack.moved, tasks, signal };
  const looked = stack.filesFromBackup && !isComplete ? await lookAtFiles(given) : [];
  const images = await findImages(engine, manifest.services);
  return {
    project: stack.project,
    backup: manifest.id,
    stores: stores.map((store) => plannedStore(store, stack, isComplete)),
    files: looked.map(({ path, status }) => ({ path, status })),
    create: makings.create,
    replace: makings.replace,
    pull: Object.keys(images).filter((name) => images[name] === undefined),
  };
}

function plannedStore(store: BackedUpStore, stack: StackNow, isComplete: boolean) {
  const about = {
    name: store.name,
    kind: store.kind,
    by: store.components.map(({ file }) => file),
  };
  try {
    const mount = mountOf(store, stack.model, stack.containers);
    return { ...about, replaces: mount.volume ?? mount.source };
  } catch (error) {
    if (isComplete) throw error;
    return { ...about, replaces: "nothing: created together with its containers" };
  }
}
