import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { TaskPlace } from "../../core/task.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel } from "../../model/stack.ts";
import { readRequest, type SourceOptions, sourceMounts } from "../../stores/reader.ts";
import type { StackFiles } from "../../stores/stack-files/stack-files.ts";
import {
  movedPath,
  type StackMove,
  stackUnpack,
  type UnpackedRoot,
} from "../../stores/stack-files/unpack.ts";
import type { Workbench } from "../session/host.ts";
import type { StackNow } from "./current-stack.ts";
import type { RestoreSession } from "./journal.ts";

/** The input for restoring the files of a stack. */
interface FilesRequest {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly files: StackFiles;
  readonly moved: StackMove | undefined;
  readonly tasks: Workbench["tasks"];
  readonly signal: AbortSignal;
}

/** Compares each file of the stack with the backup. Writes nothing. */
export async function lookAtFiles(request: FilesRequest): Promise<UnpackedRoot[]> {
  return await unpack(request, true);
}

/**
 * Restores the missing files of a stack. Existing files are never changed.
 *
 * @returns the paths of existing files that differ.
 */
export async function putFiles(
  request: FilesRequest,
  { journal, dependencies }: Pick<RestoreSession, "journal" | "dependencies">,
): Promise<string[]> {
  const looked = await lookAtFiles(request);
  const missing = looked.filter(({ status }) => status === "written");
  if (missing.length > 0) {
    const directories = [...new Set(missing.flatMap((one) => one.directories))];
    const paths = missing.map(({ path }) => path);
    const mounts = placeOf(request).mounts.filter(({ readOnly }) => !readOnly);
    journal.append("restore", "files", {
      ...{ paths, directories },
      mounts: mounts.map(({ path }) => path),
    });
    await unpack(request, false);
    for (const path of paths) dependencies.reporter.info(`${path}: from the backup`);
  }
  return looked.filter(({ status }) => status === "kept").map(({ path }) => path);
}

async function unpack(request: FilesRequest, dryRun: boolean): Promise<UnpackedRoot[]> {
  const { source, manifest, moved, tasks, signal } = request;
  const component = manifest.components.find(({ store }) => store === "stack");
  if (component === undefined)
    throw new Error("the backup does not contain the files of its stack");
  const archive = readRequest(source, component);
  const params = { archive, differing: "keep" as const, dryRun, moved };
  const place = placeOf(request);
  const mounts = [...place.mounts, ...sourceMounts(source, [component])];
  return await tasks.run(stackUnpack, params, { mounts }, signal);
}

/** The nearest existing parent directories of the files. */
function placeOf({ files, moved }: FilesRequest): TaskPlace {
  const paths = files.index.roots.map((path) =>
    standing(dirname(moved === undefined ? path : movedPath(path, moved))),
  );
  return { mounts: [...new Set(paths)].map((path) => ({ path, readOnly: false })) };
}

/** The nearest existing directory: only an existing path can be mounted. */
export function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
}

/** The place with existing paths only: on a bare host the parent directory of a mount may be missing. */
export function standingPlace({ mounts }: TaskPlace): TaskPlace {
  return {
    mounts: mounts.map((mount) =>
      mount.volume === undefined ? { ...mount, path: standing(mount.path) } : mount,
    ),
  };
}

/**
 * Refuses files that define another stack than the backed-up one, except for its images.
 *
 * @param differing - existing files that differ from the backup's
 * @throws RefusedError that names the first difference and the solution.
 */
export function refuseOtherStack(
  now: ComposeModel,
  backup: ComposeModel,
  { moved, project }: Pick<StackNow, "moved" | "project">,
  differing: readonly string[],
): void {
  const was = moved === undefined ? backup : movedModel(backup, moved);
  const difference = firstDifference(essence(was), essence(now));
  if (difference === undefined) return;
  const files = differing.join(", ");
  throw new RefusedError(
    files === ""
      ? `the backup's files do not define the stack that was backed up: ${difference} differs`
      : `${files} already exists and differs from the backup: ${difference} differs`,
    { class: "other-files", hint: wayOut(moved, project, files !== "") },
  );
}

function wayOut(moved: StackMove | undefined, project: string, isThere: boolean): string {
  const up = `run \`docker compose -p ${project} up --no-start\`, then restore`;
  if (isThere) return `move these files away to restore those of the backup; or keep them: ${up}`;
  return moved === undefined
    ? `a variable came from the shell at backup time: extract the files there (restore --target), set the variable in the env file beside the compose file, ${up}`
    : `the files name paths below ${moved.from}: extract them into ${moved.to} (restore --target), change the paths, ${up}`;
}

/** The model after the move of the project directory. */
export function movedModel(model: ComposeModel, moved: StackMove): ComposeModel {
  return JSON.parse(JSON.stringify(model), (_key, value: unknown) =>
    typeof value === "string" ? movedPath(value, moved) : value,
  ) as ComposeModel;
}

/** The properties that identify a stack: its services, their settings, and their mounts. */
function essence({ services }: ComposeModel): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(services).map(([name, service]) => [
      name,
      {
        environment: service.environment ?? {},
        command: service.command ?? null,
        hostname: service.hostname ?? null,
        volumes: (service.volumes ?? []).map(({ type, source, target }) => ({
          ...{ type, source, target },
        })),
      },
    ]),
  );
}

/** The path of the first difference, such as `postgres.environment.POSTGRES_USER`; never a value. */
function firstDifference(was: unknown, now: unknown, path = ""): string | undefined {
  if (!isRecord(was) || !isRecord(now)) {
    return JSON.stringify(was) === JSON.stringify(now) ? undefined : path;
  }
  for (const name of new Set([...Object.keys(was), ...Object.keys(now)])) {
    const found = firstDifference(was[name], now[name], path === "" ? name : `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
