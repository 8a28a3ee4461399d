import { dockerPatience } from "../core/docker-patience.ts";
import { RefusedError } from "../core/errors.ts";
import { run } from "../core/exec.ts";
import type {
  NamedResponder,
  NamedTask,
  Responder,
  ResponderRunner,
  TaskPlace,
  TaskRunner,
} from "../core/task.ts";
import { tellTiming } from "../core/timing.ts";
import { type Helper, type HelperDeps, startHelper, startProcess } from "./helper.ts";
import { ensureHelperImage } from "./image.ts";
import { KeptHelpers } from "./kept.ts";
import { openResponder } from "./responder.ts";

/** What a task runner needs. */
interface TaskRunnerDeps extends HelperDeps {
  /** The effective user id of this process; default `process.geteuid()`. */
  readonly uid?: number;
  /** Whether a path is the same file here as on the host; default: each is. */
  readonly isOfHost?: ((path: string) => boolean) | undefined;
}

/**
 * Runs tasks in this process if it is root and sees the same files, else in a helper container. Both convert parameters
 * and results to JSON and back, so that they behave alike.
 */
export function createTaskRunner(deps: TaskRunnerDeps): TaskRunner & ResponderRunner {
  const uid = deps.uid ?? process.geteuid?.() ?? -1;
  let image: Promise<string> | undefined;
  const volumes = new Map<string, VolumeFacts>();
  const imageFor = async (place: TaskPlace): Promise<string> => {
    const { image: own } = deps.entry;
    image ??= own === undefined ? ensureHelperImage(deps.environment) : Promise.resolve(own);
    image.catch(() => {
      image = undefined;
    });
    await inspectVolumes(deps, place);
    return await image;
  };
  const start = async (place: TaskPlace) => startHelper(deps, await imageFor(place), place);
  const alone: Helpers = async (place, work) => {
    const helper = await start(place);
    try {
      return await work(helper);
    } finally {
      await helper.end();
    }
  };
  const runnerWith = (helpers: Helpers): TaskRunner => ({
    run: async <P, R>(
      task: NamedTask<P, R>,
      params: P,
      place: TaskPlace,
      signal: AbortSignal = new AbortController().signal,
    ): Promise<R> => {
      signal.throwIfAborted();
      const startMs = performance.now();
      try {
        if (uid === 0 && (await sameFiles(deps, place, volumes))) {
          return copy(await task.run(copy(params), { reporter: deps.reporter, signal }));
        }
        const request = { task: task.name, params };
        return (await helpers(place, (helper) => helper.run(request, signal))) as R;
      } finally {
        tellTiming("task", task.name, startMs);
      }
    },
    keep: (mounts = []) => {
      const kept = new KeptHelpers(start, mounts);
      const helpers: Helpers = (place, work) =>
        kept.isOver ? alone(place, work) : kept.use(place, work);
      return { ...runnerWith(helpers), [Symbol.asyncDispose]: () => kept.end() };
    },
  });
  return {
    ...runnerWith(alone),
    open: async <Q, A>(
      { name }: NamedResponder<Q, A>,
      place: TaskPlace,
      signal: AbortSignal = new AbortController().signal,
    ): Promise<Responder<Q, A>> => {
      signal.throwIfAborted();
      const helper = startProcess(deps, await imageFor(place), place);
      const kill = () => helper.kill();
      signal.addEventListener("abort", kill, { once: true });
      helper.ended.finally(() => signal.removeEventListener("abort", kill)).catch(() => undefined);
      return openResponder<Q, A>(helper, name, deps.reporter);
    },
  };
}

/** Runs work in a helper that fits a place. */
type Helpers = <R>(place: TaskPlace, work: (helper: Helper) => Promise<R>) => Promise<R>;

function copy<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}

/**
 * Whether this process (root) can run the task: same network, same user, the files of the host, and no volume that only
 * its driver mounts.
 */
async function sameFiles(
  deps: TaskRunnerDeps,
  place: TaskPlace,
  known: Map<string, VolumeFacts>,
): Promise<boolean> {
  if (place.networkOf !== undefined) return false;
  if (place.user !== undefined && place.user !== "0:0") return false;
  const { isOfHost } = deps;
  if (isOfHost !== undefined && !place.mounts.every(({ path }) => isOfHost(path))) return false;
  // A volume keeps its driver as long as it exists, and the task itself notices a missing path.
  const unknown = place.mounts.filter(({ volume = "" }) => volume !== "" && !known.has(volume));
  for (const one of await inspectVolumes(deps, { mounts: unknown })) known.set(one.Name, one);
  return place.mounts.every(({ path, volume }) => {
    if (volume === undefined) return true;
    const found = known.get(volume);
    const plain = found?.Driver === "local" && Object.keys(found.Options ?? {}).length === 0;
    return plain && found.Mountpoint === path;
  });
}

interface VolumeFacts {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Options: Readonly<Record<string, string>> | null;
}

/** @throws RefusedError that names a missing volume: `docker run` would silently create an empty one. */
async function inspectVolumes(deps: TaskRunnerDeps, { mounts }: TaskPlace): Promise<VolumeFacts[]> {
  const names = [...new Set(mounts.flatMap(({ volume }) => volume ?? []))];
  if (names.length === 0) return [];
  const args = ["volume", "inspect", "--format", "{{json .}}", ...names];
  const options = { addEnv: deps.environment, okCodes: [0, 1], timeoutMs: dockerPatience.answerMs };
  const { stdout, stderr, exitCode } = await run("docker", args, options);
  const lines = stdout.split("\n").filter((line) => line !== "");
  const found = lines.map((line) => JSON.parse(line) as VolumeFacts);
  if (exitCode === 0) return found;
  const missing = names.find((name) => !found.some(({ Name }) => Name === name));
  throw new RefusedError(`there is no volume ${missing}`, {
    class: "no-volume",
    evidence: stderr.trim(),
  });
}
