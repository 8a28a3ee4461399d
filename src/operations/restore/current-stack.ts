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

/** The current state of a backed-up stack on this host. */
export interface StackNow extends Stack {
  /** Whether the stack's files must come from the backup. */
  readonly filesFromBackup: boolean;
  /** The new path of the project directory, if it differs from the one in the backup. */
  readonly moved: StackMove | undefined;
}

/**
 * Describes the stack by the backup's model, because the current stack may be too broken for discovery or missing.
 *
 * @throws RefusedError if the given files do not exist.
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

/** Accepts that the files named by the containers no longer exist: the backup has them. */
function filesAreGone(error: unknown): undefined {
  if (error instanceof RefusedError && ["no-compose-file", "no-project"].includes(error.class)) {
    return undefined;
  }
  throw error;
}

/** The services whose containers a restore has to create. */
export interface Makings {
  /** Services without a container. */
  readonly create: readonly string[];
  /** Services whose containers use another image than the backup's. */
  readonly replace: readonly string[];
}

/** Compares the current containers with those that the stores of a backup need. */
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
