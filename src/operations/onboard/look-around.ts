import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { existingAncestor } from "../../core/free-space.ts";
import { realPath } from "../../core/real-path.ts";
import { placeOf, type Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { repositoryPath } from "../session/repository-path.ts";
import type { ScheduleKind } from "./files.ts";
import { type Recipient, recipientsIn } from "./key-files.ts";

/** What `init` knows before its first question. */
export interface Found {
  readonly stack: Stack;
  readonly repository: string;
  readonly keysDirectory: string;
  readonly recipientsFile: string;
  /** The recipients of an earlier run. */
  readonly recipients: readonly Recipient[] | undefined;
  /** Where the files of each kind of schedule go. */
  readonly targets: Readonly<Record<ScheduleKind, string>>;
  readonly isInGit: boolean;
}

/** @throws RefusedError for a place where keys must not be. */
export async function lookAround(options: Options, stack: Stack): Promise<Found> {
  const { directory, project, stores } = stack;
  const keysDirectory = resolve(options.keysDirectory ?? join(homedir(), "sophon-keeper-keys"));
  const repository = resolve(repositoryPath(options, project));
  await refuseKeysInside(keysDirectory, [
    [directory, "the project's directory"],
    [repository, "the repository"],
    ...stores.map((store) => [placeOf(store), `${store.name}, which is backed up`] as const),
  ]);
  const recipientsFile = join(keysDirectory, "recipients.txt");
  const root = gitRoot(directory);
  const beside = options.into ?? directory;
  return {
    ...{ stack, repository, keysDirectory, recipientsFile },
    recipients: await recipientsIn(recipientsFile),
    targets: { workflows: options.into ?? root ?? directory, systemd: beside, cron: beside },
    isInGit: root !== undefined,
  };
}

/** What a person should see before the first question. */
export function aboutHost({
  stack,
  recipients,
  isInGit,
  repository,
  keysDirectory,
}: Found): string[] {
  const { project, directory, stores, containers } = stack;
  const services = [...new Set(containers.map(({ service }) => service))];
  return [
    `project ${project} in ${directory}: ${services.join(", ")}`,
    `stores: ${stores.map(({ name }) => name).join(", ")}`,
    `backups: ${existsSync(join(repository, "backups")) ? "some" : "none yet"} in ${repository}`,
    `keys: ${recipients === undefined ? "none yet" : "made earlier, and kept,"} in ${keysDirectory}`,
    `schedule: ${isInGit ? "the project is in a Git repository" : "the project is in no Git repository"}, systemd ${hasSystemd() ? "runs" : "does not run"} here`,
  ];
}

/** The nearest directory above that is the root of a Git repository: GitHub reads workflows only there. */
export function gitRoot(directory: string): string | undefined {
  if (existsSync(join(directory, ".git"))) return directory;
  const above = dirname(directory);
  return above === directory ? undefined : gitRoot(above);
}

/** Whether systemd runs this host (sd_booted(3)). */
export function hasSystemd(): boolean {
  return existsSync("/run/systemd/system");
}

/**
 * Refuses a directory for keys in a place that is backed up or holds backups: the private keys would be in every backup, or
 * beside all of them. Symbolic links are followed.
 *
 * @param places - paths with what they are for the message
 */
async function refuseKeysInside(
  keysDirectory: string,
  places: readonly (readonly [path: string, what: string])[],
): Promise<void> {
  const keys = await realPlace(keysDirectory);
  for (const [path, what] of places) {
    const place = await realPlace(path);
    if (keys !== place && !keys.startsWith(place === "/" ? "/" : `${place}/`)) continue;
    throw new RefusedError(`keys-directory: ${keysDirectory} is inside ${what}`, {
      class: "input",
      hint: "Keep keys elsewhere: whoever has both opens every backup.",
    });
  }
}

/** A path without symbolic links, of which the end need not exist. */
async function realPlace(path: string): Promise<string> {
  const there = await existingAncestor(path);
  return join(realPath(there), relative(there, path));
}
