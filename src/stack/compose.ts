import { RefusedError } from "../core/errors.ts";
import { type ExecResult, run } from "../core/exec.ts";
import type { ComposeModel, Stack } from "../model/stack.ts";
import type { Engine } from "./engine.ts";

/** What decides which files Compose reads: reused exactly, or Compose sees another project. */
export type ComposeProject = Pick<
  Stack,
  "project" | "directory" | "composeFiles" | "envFiles" | "profiles"
>;

/** How services are brought up. */
interface UpOptions {
  /** Only these, with what they depend on unless `noDependencies`; empty is all. */
  readonly services?: readonly string[];
  /** More files, after the project's own: overrides that pin images. */
  readonly overrides?: readonly string[];
  readonly noDependencies?: boolean;
  /** Creates the containers without starting them. */
  readonly noStart?: boolean;
  readonly forceRecreate?: boolean;
  readonly noRecreate?: boolean;
  /** Waits this long until all are running or healthy. */
  readonly waitSeconds?: number;
  readonly removeOrphans?: boolean;
  /** How many containers of a service there are to be, where that is not what the files say. */
  readonly scale?: Readonly<Record<string, number>>;
}

/** The arguments of `docker` that choose the project: the same files, directory, env files and profiles every time. */
export function projectArguments(
  project: ComposeProject,
  overrides: readonly string[] = [],
): string[] {
  return [
    "compose",
    ...["--ansi", "never", "--progress", "plain"],
    ...["--project-directory", project.directory],
    ...[...project.composeFiles, ...overrides].flatMap((file) => ["-f", file]),
    ...project.envFiles.flatMap((file) => ["--env-file", file]),
    ...["-p", project.project],
    ...project.profiles.flatMap((profile) => ["--profile", profile]),
  ];
}

/** `up -d` without pulling or building. Never `-y`: it would let Compose delete a volume. */
export function upArguments(project: ComposeProject, options: UpOptions = {}): string[] {
  const wait = options.waitSeconds;
  return [
    ...projectArguments(project, options.overrides),
    ...["up", "--no-build", "--pull", "never"],
    ...(options.noStart === true ? ["--no-start"] : ["--detach"]),
    ...(options.noDependencies === true ? ["--no-deps"] : []),
    ...(options.forceRecreate === true ? ["--force-recreate"] : []),
    ...(options.noRecreate === true ? ["--no-recreate"] : []),
    ...(options.removeOrphans === true ? ["--remove-orphans"] : []),
    ...Object.entries(options.scale ?? {}).flatMap(([name, n]) => ["--scale", `${name}=${n}`]),
    ...(wait === undefined ? [] : ["--wait", "--wait-timeout", String(wait)]),
    ...(options.services ?? []),
  ];
}

/** `stop` of the given services (of all without names), with the time each has until it is killed: its own by default. */
export function stopArguments(
  project: ComposeProject,
  services: readonly string[],
  timeoutSeconds?: number,
): string[] {
  const timeout = timeoutSeconds === undefined ? [] : ["--timeout", String(timeoutSeconds)];
  return [...projectArguments(project), "stop", ...timeout, ...services];
}

/** `pull` of the given services only: without names, Compose would pull the stores too. */
export function pullArguments(
  project: ComposeProject,
  services: readonly string[],
  overrides: readonly string[] = [],
): string[] {
  return [...projectArguments(project, overrides), "pull", ...services];
}

/** The Compose of one project. Standard input is always closed, so that no question can be answered. */
export interface Compose {
  /** The resolved model. @throws RefusedError with Compose's own words when the files are not valid. */
  config(overrides?: readonly string[]): Promise<ComposeModel>;
  /** The hash of each service's definition, to compare with the label of its container. */
  hashes(overrides?: readonly string[]): Promise<ReadonlyMap<string, string>>;
  up(options?: UpOptions, signal?: AbortSignal): Promise<void>;
  stop(services: readonly string[], timeoutSeconds?: number, signal?: AbortSignal): Promise<void>;
  /** Starts existing containers, in the order of `depends_on`. */
  start(services: readonly string[], signal?: AbortSignal): Promise<void>;
  pull(
    services: readonly string[],
    overrides?: readonly string[],
    signal?: AbortSignal,
  ): Promise<void>;
}

/** Compose for one project; `secrets` are masked in what its errors quote. */
export function createCompose(
  engine: Pick<Engine, "environment">,
  project: ComposeProject,
  secrets: readonly string[] = [],
): Compose {
  const docker = (args: readonly string[], signal?: AbortSignal): Promise<ExecResult> =>
    run("docker", args, {
      addEnv: engine.environment,
      cwd: project.directory,
      secrets,
      signal,
    });
  const own = (overrides?: readonly string[]) => projectArguments(project, overrides);
  return {
    config: async (overrides) => {
      try {
        const { stdout } = await docker([...own(overrides), "config", "--format", "json"]);
        return parseModel(stdout);
      } catch (error) {
        throw new RefusedError(`Compose cannot read project ${project.project}`, {
          class: "compose-config",
          hint: "Check project-directory, compose-files and env-files with `docker compose config`.",
          cause: error,
        });
      }
    },
    hashes: async (overrides) => {
      const { stdout } = await docker([...own(overrides), "config", "--hash", "*"]);
      return parseHashes(stdout);
    },
    up: async (options, signal) => {
      await docker(upArguments(project, options), signal);
    },
    stop: async (services, timeoutSeconds, signal) => {
      await docker(stopArguments(project, services, timeoutSeconds), signal);
    },
    start: async (services, signal) => {
      await docker([...own(), "start", ...services], signal);
    },
    pull: async (services, overrides, signal) => {
      await docker(pullArguments(project, services, overrides), signal);
    },
  };
}

/**
 * Reads `docker compose config --format json`, in which every `$` is doubled (docker/compose
 * `cmd/compose/config.go`), so that a password reads as it is.
 */
export function parseModel(json: string): ComposeModel {
  return JSON.parse(json, (_key, value: unknown) =>
    typeof value === "string" ? value.replaceAll("$$", "$") : value,
  ) as ComposeModel;
}

/** Reads the lines `service hash` of `docker compose config --hash '*'`. */
export function parseHashes(text: string): ReadonlyMap<string, string> {
  const lines = text.trim().split("\n");
  return new Map(lines.map((line) => line.trim().split(/\s+/) as [string, string]));
}
