import { RefusedError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { ComposeProject } from "../../stack/compose.ts";
import { projectContainers } from "../../stack/discovery.ts";
import { locateProject } from "../../stack/project.ts";
import type { StackFiles } from "../../stores/stack-files/stack-files.ts";
import { movedPath, type StackMove } from "../../stores/stack-files/unpack.ts";
import type { BackedUpStore } from "../fill/backed-up-store.ts";
import type { Host } from "../session/host.ts";
import { servicesOf } from "./store-mounts.ts";

/** What there is of a stack on this host, as seen by a backup of it. */
export interface StackNow extends Stack {
  /** The stack's own files are to come from the backup. */
  readonly filesFromBackup: boolean;
  /** Where the project directory of the backup is on this host. */
  readonly moved: StackMove | undefined;
}

/**
 * The stack by the backup's own model: what is there now may be too broken to be discovered, or nothing at all.
 *
 * @throws RefusedError where the files given do not exist.
 */
export async function stackNow(
  { model, index }: StackFiles,
  options: Options,
  host: Pick<Host, "engine">,
): Promise<StackNow> {
  const project = options.projectName ?? index.project;
  const engine = await host.engine();
  const containers = (await projectContainers(engine, project)).map(({ state }) => state);
  const located =
    containers.length === 0
      ? undefined
      : await locateProject(engine, { ...options, projectName: project }).catch(filesAreGone);
  const directory = options.projectDirectory ?? located?.directory ?? index.directory;
  const moved =
    directory === index.directory ? undefined : { from: index.directory, to: directory };
  const here = (path: string) => (moved === undefined ? path : movedPath(path, moved));
  const own = (given: readonly string[], recorded: readonly string[]) =>
    given.length > 0 ? [...given] : recorded.map(here);
  const place: ComposeProject = located ?? {
    project,
    directory,
    composeFiles: own(options.composeFiles, index.composeFiles),
    envFiles: own(options.envFiles, index.envFiles),
    profiles: [],
  };
  const profiles = place.profiles.length > 0 ? place.profiles : index.profiles;
  const unknown = { stores: [], excluded: [], secrets: [], tier: "other" } as const;
  return {
    ...{ ...place, profiles, containers, model, moved },
    ...unknown,
    filesFromBackup: located === undefined,
  };
}

/** The containers tell files that are no longer there: the backup has them. */
function filesAreGone(error: unknown): undefined {
  if (error instanceof RefusedError && ["no-compose-file", "no-project"].includes(error.class)) {
    return undefined;
  }
  throw error;
}

/** The services that a restore has to make containers for. */
export interface Makings {
  /** They have none. */
  readonly create: readonly string[];
  /** Theirs are of another image than the backup's. */
  readonly replace: readonly string[];
}

/** What stands between the containers that are there and those that the stores of a backup need. */
export function makingsOf(
  manifest: Pick<Manifest, "services">,
  stack: Pick<Stack, "model" | "containers">,
  stores: readonly BackedUpStore[],
  { only, keepImages }: Pick<Options, "only" | "keepImages">,
): Makings {
  const all = Object.keys(manifest.services).filter((name) => name in stack.model.services);
  const concerned = new Set(stores.flatMap((store) => servicesOf(store, stack.model)));
  const wanted = only.length === 0 ? all : all.filter((name) => concerned.has(name));
  const of = (service: string) => stack.containers.filter((one) => one.service === service);
  return {
    create: wanted.filter((name) => of(name).length === 0),
    replace: keepImages
      ? []
      : wanted.filter((name) =>
          of(name).some(({ imageId }) => imageId !== manifest.services[name]?.imageId),
        ),
  };
}
