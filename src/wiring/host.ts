import { existsSync } from "node:fs";
import { join } from "node:path";
import { RefusedError } from "../core/errors.ts";
import type { HelperEntry } from "../helper/helper-arguments.ts";
import { createTaskRunner } from "../helper/runner.ts";
import type { Dependencies } from "../operations/session/command.ts";
import type { Host, Workbench } from "../operations/session/host.ts";
import { repositoryPath } from "../operations/session/repository-path.ts";
import { signKeyDirectory } from "../operations/session/sign-key.ts";
import type { Options } from "../options/parse.ts";
import { hostPaths } from "../options/paths-of-host.ts";
import { checkHost } from "../stack/check-host.ts";
import { createContainers, throwAwayRemover } from "../stack/containers.ts";
import { discover, readStack } from "../stack/discovery.ts";
import { connect, type Engine } from "../stack/engine.ts";
import { acquireLock } from "../stack/lock.ts";
import { isOfHost, ownMounts, requireHostPaths } from "../stack/own-container.ts";
import { locateProject } from "../stack/project.ts";

/**
 * The host as the commands see it. It connects to the engine when a command first needs it: other commands work while the
 * engine is down.
 */
export function createHost(): Host {
  let connecting: Promise<Engine> | undefined;
  const engine = (): Promise<Engine> => {
    connecting ??= connectChecked();
    return connecting;
  };
  const workbench = async (
    operationId: string,
    { reporter }: Pick<Dependencies, "reporter">,
  ): Promise<Workbench> => {
    const connected = await engine();
    const containers = createContainers(connected, operationId);
    const { environment } = connected;
    const { own } = connected;
    const entry = {
      ...taskEntry(),
      ...(own === undefined ? {} : { directories: [], image: own.image }),
    };
    const seesHost = own === undefined ? undefined : (path: string) => isOfHost(own, path);
    const remove = throwAwayRemover(connected);
    const tasks = createTaskRunner({
      environment,
      operationId,
      entry,
      reporter,
      remove,
      isOfHost: seesHost,
    });
    return { containers, tasks };
  };
  return {
    project: async (options) => {
      const connected = await engine();
      try {
        const { project } = await locateProject(connected, options);
        requireHostPaths(connected, [
          { path: repositoryPath(options, project) },
          // A key that is given is only read.
          { path: options.signKey === undefined ? signKeyDirectory(options) : undefined },
        ]);
        return project;
      } catch (error) {
        // Recovery must work for a stack without containers. A name that was never backed up is a typo.
        const { projectName } = options;
        if (connected.own !== undefined) throw error;
        if (!(error instanceof RefusedError) || projectName === undefined) throw error;
        if (!existsSync(repositoryPath(options, projectName))) throw error;
        return projectName;
      }
    },
    discover: async (options: Options, dependencies) => {
      const { containers, tasks } = await workbench("discovery", dependencies);
      const { signal } = dependencies;
      const stack = await discover(options, { engine: await engine(), containers, tasks, signal });
      for (const secret of stack.secrets) dependencies.reporter.secret(secret);
      return stack;
    },
    readStack: async (options, { reporter }) => {
      const stack = await readStack(options, await engine());
      for (const secret of stack.secrets) reporter.secret(secret);
      return stack;
    },
    workbench,
    lock: async (wish, { clock }) =>
      acquireLock(await engine(), { ...wish, jobUrl: jobUrl() }, clock),
    engine,
  };
}

/**
 * Makes sure that in a container of our image the paths of a run are those of the host, also for a command that needs no
 * engine.
 *
 * @throws RefusedError that names the others.
 */
export async function requirePathsOfHost(host: Host, options: Options): Promise<void> {
  // The Dockerfile sets it. In a container of somebody else paths are their business.
  if (process.env.KEEPER_CONTAINER === undefined) return;
  const own = await host.engine().then(
    (engine) => engine.own,
    () => ownMounts(),
  );
  requireHostPaths({ own }, hostPaths(options));
}

async function connectChecked(): Promise<Engine> {
  const engine = await connect();
  const { own } = await checkHost(engine);
  return { ...engine, own };
}

/** The program as a helper container starts it: the bundle, or the sources in a checkout. */
function taskEntry(): HelperEntry {
  const here = import.meta.dirname;
  const bundle = join(here, "cli.js");
  return existsSync(bundle)
    ? { script: bundle, directories: [here] }
    : { script: join(here, "..", "cli.ts"), directories: [join(here, "..", "..")] };
}

/** The address at which a person sees the run that holds the lock. */
function jobUrl(): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID } = process.env;
  return GITHUB_RUN_ID === undefined
    ? undefined
    : `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}`;
}
