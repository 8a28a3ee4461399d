import { describeError, KeeperError } from "../../core/errors.ts";
import type { Responder, ResponderRunner } from "../../core/task.ts";
import type { ContainerState } from "../../model/stack.ts";
import { type HealthAnswer, type ServerQuestion, serverProber } from "../../stack/health.ts";
import type { Expectation } from "./expectations.ts";

const timeoutMs = 1_500;

/** A helper in the network namespace of one container of the clone. */
interface Standing {
  readonly at: ContainerState;
  readonly responder: Promise<Responder<ServerQuestion, HealthAnswer>>;
}

/**
 * Probes the servers of a clone from inside its network. One helper container in the network namespace of the first
 * probed server reaches all servers that share a network with it. Helpers are reused because starting one takes up to
 * 20 s on a busy host.
 */
export class CloneProber implements AsyncDisposable {
  readonly #tasks: ResponderRunner;
  readonly #signal: AbortSignal;
  #standing: Standing[] = [];

  constructor(tasks: ResponderRunner, signal: AbortSignal) {
    this.#tasks = tasks;
    this.#signal = signal;
  }

  /**
   * Probes one running container for everything that is expected of it. A failed probe does not throw, but a host that
   * cannot run a helper does.
   *
   * @param running - the running containers of the clone; a helper in any other container is not used
   */
  async ask(
    container: ContainerState,
    { ports, needs, path, wants }: Expectation,
    running: readonly ContainerState[],
  ): Promise<HealthAnswer> {
    const { responder, address } = this.#placeFor(container, running);
    try {
      const prober = await responder;
      const answers = await Promise.all(
        ports.map((port) => prober.ask({ address, port, path, wants, timeoutMs })),
      );
      const told = answers.map((answer, at) => named(answer, ports[at]));
      const [bad, good] = [told.find((one) => !one.healthy), told.find((one) => one.healthy)];
      const decisive = needs === "all" ? (bad ?? good) : (good ?? bad);
      return decisive ?? { healthy: true, status: 0, detail: "no port to probe" };
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof KeeperError) throw error;
      this.#standing = this.#standing.filter((one) => one.responder !== responder);
      const detail = `could not be probed: ${describeError(error)}`;
      return { healthy: false, status: 0, detail };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const standing = this.#standing;
    this.#standing = [];
    for (const { responder } of standing) {
      // A helper that failed to start or has ended no longer exists.
      const started = await responder.catch(() => undefined);
      await started?.[Symbol.asyncDispose]();
    }
  }

  #placeFor(container: ContainerState, running: readonly ContainerState[]) {
    for (const { at, responder } of this.#standing) {
      // One that was started again has another network namespace.
      if (isSameStart(at, container)) return { responder, address: undefined };
      if (!running.some((one) => isSameStart(at, one))) continue;
      const shared = Object.keys(at.addresses).find((name) => name in container.addresses);
      if (shared !== undefined) return { responder, address: container.addresses[shared] };
    }
    const place = { mounts: [], networkOf: container.id };
    const responder = this.#tasks.open(serverProber, place, this.#signal);
    this.#standing.push({ at: container, responder });
    return { responder, address: undefined };
  }
}

function isSameStart(a: ContainerState, b: ContainerState): boolean {
  return a.id === b.id && a.startedAt === b.startedAt;
}

/** With the port where it tells of a failure: there may be several. */
function named(answer: HealthAnswer, port: number | undefined): HealthAnswer {
  if (answer.healthy || answer.status !== 0) return answer;
  return { ...answer, detail: `nothing on port ${port} (${answer.detail})` };
}
