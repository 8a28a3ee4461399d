import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { ContainerInfo } from "dockerode";
import { dockerPatience } from "../core/docker-patience.ts";
import { RefusedError } from "../core/errors.ts";
import { run } from "../core/exec.ts";
import { isKeepers } from "../model/keeper-labels.ts";
import { type ComposeProject, parseModel } from "./compose.ts";
import type { Engine } from "./engine.ts";
import { composeLabels } from "./labels.ts";
import { requireHostPaths } from "./own-container.ts";
import { isGateway, sophonProfile } from "./profile.ts";
import {
  checkedDirectory,
  checkedFiles,
  defaultComposeFiles,
  filesInLabel,
} from "./project-files.ts";
import { unreadableProject } from "./unreadable.ts";

/** The inputs that select the Compose project. None is needed if the host has only one project. */
export interface ProjectOptions {
  readonly projectDirectory?: string | undefined;
  readonly composeFiles?: readonly string[] | undefined;
  readonly projectName?: string | undefined;
  readonly envFiles?: readonly string[] | undefined;
  readonly profiles?: readonly string[] | undefined;
}

/**
 * Finds the project from the inputs. The labels of its containers supply everything that the inputs do not set, so that
 * Compose later reads exactly the files with which the stack was started.
 *
 * @throws RefusedError that names the input, when there is no project or more than one, or when a file is missing.
 */
export async function locateProject(
  engine: Pick<Engine, "docker" | "environment" | "own">,
  options: ProjectOptions,
): Promise<ComposeProject> {
  requireHostPaths(engine, [{ path: options.projectDirectory }]);
  const containers = await composeContainers(engine);
  const directory = await checkedDirectory(options.projectDirectory);
  const given = await checkedFiles("compose-files", options.composeFiles, directory);
  if (directory === undefined && given.length === 0) {
    const project = options.projectName ?? (await chooseProject(containers));
    const own = containers.filter((container) => labelOf(container, "project") === project);
    if (own.length === 0) throw await nothingFound(engine, project, containers);
    return await fromLabels(engine, project, own, options);
  }
  const base = directory ?? resolve(given[0] ?? ".", "..");
  const project = options.projectName ?? (await nameIn(engine, base, containers, given, options));
  const own = containers.filter((container) => labelOf(container, "project") === project);
  await refuseOtherDirectory(own, base, project, options);
  if (own.length > 0 && given.length === 0) return await fromLabels(engine, project, own, options);
  return {
    project,
    directory: base,
    composeFiles: given.length > 0 ? given : await defaultComposeFiles(base),
    envFiles: await checkedFiles("env-files", options.envFiles, base),
    profiles: options.profiles ?? [],
  };
}

async function composeContainers(engine: Pick<Engine, "docker">): Promise<ContainerInfo[]> {
  const filters = { label: [composeLabels.project] };
  const all = await engine.docker.listContainers({ all: true, filters });
  return all.filter(({ Labels }) => !isKeepers(Labels));
}

function labelOf(container: ContainerInfo, name: keyof typeof composeLabels): string {
  return container.Labels[composeLabels[name]] ?? "";
}

/**
 * The project in whose directory this process stands, as with Compose itself; else the only one with a gateway; else the
 * only one.
 *
 * @throws RefusedError if there is none, or no way to choose.
 */
async function chooseProject(containers: readonly ContainerInfo[]): Promise<string> {
  const standsIn = await inDirectory(containers, process.cwd());
  const gateways = containers.filter((container) =>
    isGateway(sophonProfile, labelOf(container, "service"), container.Image),
  );
  const namesOf = (of: readonly ContainerInfo[]) => [
    ...new Set(of.map((container) => labelOf(container, "project"))),
  ];
  for (const names of [[...standsIn], namesOf(gateways), namesOf(containers)]) {
    if (names.length === 1 && names[0] !== undefined) return names[0];
    if (names.length > 1) {
      throw new RefusedError(
        `there are several Compose projects on this host: ${namesOf(containers).join(", ")}`,
        {
          class: "ambiguous-project",
          hint: "Name the one to use with project-directory or project-name, or run this in its directory.",
        },
      );
    }
  }
  throw new RefusedError("there is no container of a Compose project on this host", {
    class: "no-project",
    hint: "Start the stack, or set project-directory.",
  });
}

/** The names of the projects that were started from a directory, whichever way its path is written. */
async function inDirectory(
  containers: readonly ContainerInfo[],
  path: string,
): Promise<ReadonlySet<string>> {
  const here = await realpath(path);
  const names = new Set<string>();
  for (const container of containers) {
    const directory = labelOf(container, "directory");
    if ((await realpath(directory).catch(() => directory)) === here)
      names.add(labelOf(container, "project"));
  }
  return names;
}

async function nothingFound(
  engine: Pick<Engine, "docker">,
  project: string,
  containers: readonly ContainerInfo[],
): Promise<RefusedError> {
  const filters = { label: [`com.docker.stack.namespace=${project}`] };
  const swarm = await engine.docker.listContainers({ all: true, filters });
  if (swarm.length > 0)
    return new RefusedError(`${project} is a Swarm stack, which is not supported`, {
      class: "swarm",
      hint: "Only stacks started with `docker compose` are supported.",
    });
  const names = [...new Set(containers.map((container) => labelOf(container, "project")))];
  const there = names.length === 0 ? "none" : names.join(", ");
  return new RefusedError(`no container of Compose project ${project} (projects: ${there})`, {
    class: "no-project",
    hint: "Check project-name, or give project-directory.",
  });
}

/** The name of the project that runs from this directory, otherwise the name that Compose would choose. */
async function nameIn(
  engine: Pick<Engine, "environment">,
  base: string,
  containers: readonly ContainerInfo[],
  files: readonly string[],
  options: ProjectOptions,
): Promise<string> {
  const names = await inDirectory(containers, base);
  const [only] = names;
  if (only !== undefined && names.size === 1) return only;
  const name = await readName(engine, base, files, options);
  if (names.size === 0 || names.has(name)) return name;
  throw new RefusedError(`several projects run from ${base}: ${[...names].join(", ")}`, {
    class: "ambiguous-project",
    hint: "Name the one to use with project-name.",
  });
}

/** Refuses another project with the same name. A moved project is accepted if `project-name` is set. */
async function refuseOtherDirectory(
  own: readonly ContainerInfo[],
  base: string,
  project: string,
  options: ProjectOptions,
): Promise<void> {
  if (options.projectName !== undefined) return;
  const real = async (path: string) => await realpath(path).catch(() => path);
  for (const container of own) {
    const directory = labelOf(container, "directory");
    if ((await real(directory)) === (await real(base))) continue;
    throw new RefusedError(`project ${project} runs from ${directory}, not from ${base}`, {
      class: "ambiguous-project",
      hint: "Give that directory as project-directory; or, if it was moved, also give project-name.",
    });
  }
}

async function fromLabels(
  engine: Pick<Engine, "own">,
  project: string,
  own: readonly ContainerInfo[],
  options: ProjectOptions,
): Promise<ComposeProject> {
  // Compose does not update the labels of a container that it keeps: the newest container shows the last `up`.
  const newest = own.toSorted((a, b) => b.Created - a.Created)[0];
  if (newest === undefined) throw new Error(`project ${project} has no container`);
  const directory = labelOf(newest, "directory");
  requireHostPaths(engine, [{ path: directory }]);
  const composeFiles = await filesInLabel(labelOf(newest, "files"), directory);
  const noted = await filesInLabel(labelOf(newest, "environmentFiles"), directory);
  const given = options.envFiles ?? [];
  const named = [...composeFiles, ...(given.length > 0 ? [] : noted)];
  requireHostPaths(
    engine,
    named.map((path) => ({ path })),
  );
  if (composeFiles.length === 0)
    throw new RefusedError(
      `the containers of project ${project} have no label with their compose file`,
      {
        class: "no-compose-file",
        hint: "Give project-directory and compose-files.",
      },
    );
  return {
    project,
    directory,
    composeFiles: await checkedFiles("compose-files", composeFiles, directory),
    envFiles: await checkedFiles("env-files", given.length > 0 ? given : noted, directory),
    profiles: options.profiles ?? [],
  };
}

/** The project name that Compose would choose: `name:`, COMPOSE_PROJECT_NAME, or the directory. */
async function readName(
  engine: Pick<Engine, "environment">,
  directory: string,
  files: readonly string[],
  options: ProjectOptions,
): Promise<string> {
  const args = [
    ...["compose", "--project-directory", directory],
    ...files.flatMap((file) => ["-f", file]),
    ...(await checkedFiles("env-files", options.envFiles, directory)).flatMap((file) => [
      "--env-file",
      file,
    ]),
    ...["config", "--format", "json"],
  ];
  try {
    const { stdout } = await run("docker", args, {
      ...{ addEnv: engine.environment, cwd: directory },
      timeoutMs: dockerPatience.answerMs,
    });
    return parseModel(stdout).name;
  } catch (cause) {
    throw unreadableProject(`the project in ${directory}`, directory, cause);
  }
}
