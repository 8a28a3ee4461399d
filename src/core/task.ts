import type { Mount } from "../model/stack.ts";
import type { Reporter } from "./reporter.ts";

/** Where a task runs. */
export interface TaskPlace {
  /** Host paths and volumes that the task uses, mounted at the same paths as on the host. */
  readonly mounts: readonly TaskMount[];
  /** Numeric `uid:gid`; default root. */
  readonly user?: string;
  /** The container whose network namespace the task uses. Such a task never runs in this process. */
  readonly networkOf?: string;
}

/** A path that a task uses. */
export interface TaskMount {
  readonly path: string;
  readonly readOnly: boolean;
  /** The volume name, if the path is a volume. It is mounted by name, so that its driver mounts it. */
  readonly volume?: string;
}

/** The context of a running task, besides its parameters. */
export interface TaskContext {
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/**
 * A step that may need more rights or another network than the caller has. Parameters and result are plain JSON, so that
 * the same function can run in this process or in a helper container.
 */
type Task<P, R> = (params: P, context: TaskContext) => Promise<R>;

/** A task with the name that helper containers use to find it. */
export interface NamedTask<P, R> {
  readonly name: string;
  readonly run: Task<P, R>;
}

/**
 * A program that stays in its place and answers one question after the other there. Questions and answers are plain
 * JSON; several may be under way at once.
 */
export interface NamedResponder<Q, A> {
  readonly name: string;
  readonly answer: (question: Q, context: TaskContext) => Promise<A>;
}

/** A {@link NamedResponder} at work. Its disposal ends it. */
export interface Responder<Q, A> extends AsyncDisposable {
  /** @throws what the responder throws; Error when it has ended. */
  ask(question: Q): Promise<A>;
}

/**
 * Runs tasks: in this process when it is root and needs no other network, else in a helper container.
 * Errors come back as they were thrown ({@link KeeperError} keeps its class and exit code).
 */
export interface TaskRunner {
  run<P, R>(task: NamedTask<P, R>, params: P, place: TaskPlace, signal?: AbortSignal): Promise<R>;
  /**
   * The same runner for as long as no container is stopped or recreated: a helper container stays for the next task that
   * it fits. After its disposal it runs each task in a helper of its own again.
   *
   * @param mounts - what the tasks will need: each helper of root has all of them.
   */
  keep(mounts?: readonly TaskMount[]): KeptTasks;
}

/** A task runner whose helper containers end with it. */
interface KeptTasks extends TaskRunner, AsyncDisposable {}

/** Starts responders, always in a helper container: one start for any number of questions. */
export interface ResponderRunner {
  /** @param place - where it answers. It ends by itself when this process does. */
  open<Q, A>(
    responder: NamedResponder<Q, A>,
    place: TaskPlace,
    signal?: AbortSignal,
  ): Promise<Responder<Q, A>>;
}

/** Converts a mount of the stack, or a volume, to a mount of a task. */
export function taskMount(
  mount: Pick<Mount, "source"> & { readonly volume?: string | undefined },
  readOnly: boolean,
): TaskMount {
  return {
    path: mount.source,
    readOnly,
    ...(mount.volume === undefined ? {} : { volume: mount.volume }),
  };
}
