import type { ContainerState } from "../model/stack.ts";
import type { ExecResult, StreamingProcess } from "./exec.ts";

/** Options for a program inside a container. */
export interface ContainerExecOptions {
  /** Passed through the client's environment, never as an argument: safe for secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly okCodes?: readonly number[];
}

/** Options for a temporary container. It has no network unless `network` is given, and is removed when it ends. */
export interface ThrowAwayOptions extends ContainerExecOptions {
  readonly network?: string;
  readonly mounts?: readonly {
    readonly source: string;
    readonly target: string;
    readonly readOnly: boolean;
  }[];
}

/** A container that a `docker run --rm` of this program makes. */
export interface ThrowAwayContainer {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The containers of this host. A program started inside a container is tagged, so that an abort ends
 * the program itself and not only the client that waits for it, and the next run can end one that a
 * SIGKILL left behind.
 */
export interface Containers {
  /** @throws ExecError as `run` of core/exec does. */
  exec(
    container: string,
    argv: readonly string[],
    options?: ContainerExecOptions,
  ): Promise<ExecResult>;
  /** As `exec`, with the bytes streamed. The end of stdout says nothing: await `done`. */
  execStream(
    container: string,
    argv: readonly string[],
    options?: Omit<ContainerExecOptions, "input"> & { readonly pipeInput?: boolean },
  ): StreamingProcess;
  /** Runs an image once, by id, without pulling: `docker run --rm -i --network none`. */
  runOnce(
    image: string,
    argv: readonly string[],
    options?: Omit<ThrowAwayOptions, "input"> & { readonly pipeInput?: boolean },
  ): StreamingProcess;
  inspect(container: string): Promise<ContainerState | undefined>;
  /** Pauses a running container; on a busy host the engine is asked again for a while. */
  pause(container: string, signal?: AbortSignal): Promise<void>;
  /** Does nothing if the container is not paused. */
  unpause(container: string): Promise<void>;
  /** Stops and waits; `timeoutSeconds` until SIGKILL, else its own time. Safe on one that does not run. */
  stop(container: string, timeoutSeconds?: number): Promise<void>;
  start(container: string): Promise<void>;
  setRestartPolicy(container: string, policy: string): Promise<void>;
}
