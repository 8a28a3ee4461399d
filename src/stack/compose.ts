import { existsSync, readFileSync } from "node:fs";
import { dockerPatience } from "../core/docker-patience.ts";
import { describeError, RefusedError } from "../core/errors.ts";
import { ExecError, type ExecOptions, type ExecResult, run } from "../core/exec.ts";
import type { ComposeModel, Stack } from "../model/stack.ts";
import type { Engine } from "./engine.ts";
import { unreadableProject, unsetVariables } from "./unreadable.ts";

/** Determines which files Compose reads. Every command must use the same values, or Compose sees another project. */
export type ComposeProject = Pick<
  Stack,
  "project" | "directory" | "composeFiles" | "envFiles" | "profiles"
> & {
  /** The file with saved variables of a shell (JSON). They count more than this process's own. */
  readonly variables?: string | undefined;
};

/** How services are brought up. */
interface UpOptions {
  /** Only these services, and their dependencies unless `noDependencies` is set. Empty means all. */
  readonly services?: readonly string[];
  /** Files added after those of the project, such as overrides that pin images. */
  readonly overrides?: readonly string[];
  readonly noDependencies?: boolean;
  /** Creates the containers without starting them. */
  readonly noStart?: boolean;
  readonly forceRecreate?: boolean;
  readonly noRecreate?: boolean;
  /** How long to wait until all services are running or healthy. */
  readonly waitSeconds?: number;
  readonly removeOrphans?: boolean;
  /** The number of replicas of a service, if it differs from the files. */
  readonly scale?: Readonly<Record<string, number>>;
}

/** The arguments of `docker` that select the project: always the same files, directory, env files and profiles. */
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

/** `stop` of the given services, or of all if none is named. By default each service has its own stop timeout. */
export function stopArguments(
  project: ComposeProject,
  services: readonly string[],
  timeoutSeconds?: number,
): string[] {
  const timeout = timeoutSeconds === undefined ? [] : ["--timeout", String(timeoutSeconds)];
  return [...projectArguments(project), "stop", ...timeout, ...services];
}

/** `pull` of the given services only. Without names, Compose would also pull the images of the stores. */
export function pullArguments(
  project: ComposeProject,
  services: readonly string[],
  overrides: readonly string[] = [],
): string[] {
  return [...projectArguments(project, overrides), "pull", ...services];
}

/** Compose for one project. Standard input is always closed, so Compose cannot wait for an answer. */
export interface Compose {
  /** The resolved model. @throws RefusedError with Compose's message when the files are not valid. */
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

/**
 * Compose for one project; `secrets` are masked in its error messages. `onUnset` gets the variables that the files use
 * although nobody has set them.
 */
export function createCompose(
  engine: Pick<Engine, "environment">,
  project: ComposeProject,
  secrets: readonly string[] = [],
  onUnset: (variables: readonly string[]) => void = () => undefined,
): Compose {
  const docker = (
    args: readonly string[],
    limits: Pick<ExecOptions, "signal" | "timeoutMs">,
  ): Promise<ExecResult> =>
    run("docker", args, {
      addEnv: { ...savedVariables(project), ...engine.environment },
      cwd: project.directory,
      secrets,
      ...limits,
    });
  const asked = { timeoutMs: dockerPatience.answerMs };
  const own = (overrides?: readonly string[]) => projectArguments(project, overrides);
  return {
    config: async (overrides) => {
      try {
        const { stdout, stderr } = await docker(
          [...own(overrides), "config", "--format", "json"],
          asked,
        );
        onUnset(unsetVariables(stderr));
        return parseModel(stdout);
      } catch (error) {
        throw unreadableProject(`project ${project.project}`, project.directory, error);
      }
    },
    hashes: async (overrides) => {
      const { stdout } = await docker([...own(overrides), "config", "--hash", "*"], asked);
      return parseHashes(stdout);
    },
    up: async (options, signal) => {
      await docker(upArguments(project, options), { signal });
    },
    stop: async (services, timeoutSeconds, signal) => {
      await docker(stopArguments(project, services, timeoutSeconds), { signal });
    },
    start: async (services, signal) => {
      await docker([...own(), "start", ...services], { signal });
    },
    pull: async (services, overrides, signal) => {
      await docker(pullArguments(project, services, overrides), {
        signal,
        timeoutMs: dockerPatience.pullMs,
      });
    },
  };
}

function savedVariables({ variables }: ComposeProject): Record<string, string> {
  // The file is removed with its operation.
  if (variables === undefined || !existsSync(variables)) return {};
  return JSON.parse(readFileSync(variables, "utf8")) as Record<string, string>;
}

/**
 * The resolved model of files that this process need not trust: none of its variables can be read by them.
 *
 * @throws RefusedError with Compose's message when the files are not valid.
 */
export async function modelOfForeign(
  engine: Pick<Engine, "environment">,
  project: ComposeProject,
): Promise<ComposeModel> {
  try {
    const args = [...projectArguments(project), "config", "--format", "json"];
    const { stdout } = await run("docker", args, {
      isBare: true,
      addEnv: engine.environment,
      cwd: project.directory,
      timeoutMs: dockerPatience.answerMs,
    });
    return parseModel(stdout);
  } catch (error) {
    throw new RefusedError(`new-files: Compose cannot read ${project.composeFiles.join(", ")}`, {
      class: "compose-config",
      hint: "Check the files with `docker compose config`.",
      cause: error,
      evidence:
        error instanceof ExecError && !error.timedOut ? error.stderr.trim() : describeError(error),
    });
  }
}

/**
 * Reads `docker compose config --format json`. Compose doubles every `$` in its output (docker/compose
 * `cmd/compose/config.go`); this undoes it, so that a password has its real value.
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
