import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import type { TaskPlace } from "../../core/task.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { ComposeModel } from "../../model/stack.ts";
import { readRequest, type SourceOptions } from "../../stores/reader.ts";
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

/** What placing the files of a stack is given. */
interface FilesRequest {
  readonly manifest: Manifest;
  readonly source: SourceOptions;
  readonly files: StackFiles;
  readonly moved: StackMove | undefined;
  readonly tasks: Workbench["tasks"];
  readonly signal: AbortSignal;
}

/** Says for each file of the stack whether it is there, as in the backup or otherwise. Writes nothing. */
export async function lookAtFiles(request: FilesRequest): Promise<UnpackedRoot[]> {
  return await unpack(request, true);
}

/**
 * Puts those files of a stack that are not there where they belong; what is there and differs is left alone.
 *
 * @returns the paths that differ.
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
  if (component === undefined) throw new Error("the backup has no files of its stack");
  const archive = readRequest(source, component);
  const params = { archive, differing: "keep" as const, dryRun, moved };
  const place = placeOf(request);
  const mounts = [...place.mounts, { path: source.directory, readOnly: true }];
  return await tasks.run(stackUnpack, params, { mounts }, signal);
}

/** The directories that exist above the files. */
function placeOf({ files, moved }: FilesRequest): TaskPlace {
  const paths = files.index.roots.map((path) =>
    standing(dirname(moved === undefined ? path : movedPath(path, moved))),
  );
  return { mounts: [...new Set(paths)].map((path) => ({ path, readOnly: false })) };
}

/** The nearest directory that exists: what is mounted must be there. */
export function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
}

/** On a bare host the directory around a new one may not be there yet: what is mounted must be. */
export function standingPlace({ mounts }: TaskPlace): TaskPlace {
  return {
    mounts: mounts.map((mount) =>
      mount.volume === undefined ? { ...mount, path: standing(mount.path) } : mount,
    ),
  };
}

/**
 * Refuses files of which Compose makes another stack than the backup is of, images apart.
 *
 * @param differing - files that were there and differ from the backup's
 * @throws RefusedError naming the first difference and the way out.
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
      ? `what Compose makes of the backup's files is not what ran when it was made: ${difference} differs`
      : `${files}: there already, and not as in the backup: ${difference} differs`,
    { class: "other-files", hint: wayOut(moved, project, files !== "") },
  );
}

function wayOut(moved: StackMove | undefined, project: string, isThere: boolean): string {
  const up = `docker compose -p ${project} up --no-start, and restore then`;
  if (isThere) return `move them away to have those of the backup, or keep them: ${up}`;
  return moved === undefined
    ? `a variable came from the shell then: put the files there (target shows them), set it in the env file beside the compose file, ${up}`
    : `they name paths below ${moved.from}: put them into ${moved.to} (target shows them), change the paths, ${up}`;
}

function movedModel(model: ComposeModel, moved: StackMove): ComposeModel {
  return JSON.parse(JSON.stringify(model), (_key, value: unknown) =>
    typeof value === "string" ? movedPath(value, moved) : value,
  ) as ComposeModel;
}

/** What makes a stack this one: its services, what each is given, and where they keep data. */
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

/** The name of the first member that is not the same, as `postgres.environment.POSTGRES_USER`; never a value. */
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
