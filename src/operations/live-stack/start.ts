import type { Clock } from "../../core/clock.ts";
import type { Containers } from "../../core/containers.ts";
import { describeError } from "../../core/errors.ts";
import type { Reporter } from "../../core/reporter.ts";
import { waitFor } from "../../core/wait.ts";
import type { ContainerState } from "../../model/stack.ts";
import { type Dependencies, joinersOf, joins, type Need, needsOf } from "./depends-on.ts";
import { stopSeconds } from "./stop.ts";

/*
 * Compose creates the containers of a stack, and this file starts them, with Compose's order and conditions.
 * `docker compose start` and `up` are not as safe:
 * - They know services only, and would start a replica that a person has stopped.
 * - They rerun one-shots that are done.
 * - If a dependency does not become healthy, they leave the rest down. A rollback has to start the rest anyway.
 * - They read files that may be missing or changed when a killed run is recovered.
 * - Nobody reads the log of a dependency while it migrates.
 */

/** A container to start, and the state to bring it into. */
export interface Wanted {
  readonly name: string;
  /** `completed`: a one-shot to run now. It has to end with exit code 0 before its dependents are started. */
  readonly state: "running" | "paused" | "completed";
  /** Whether it was healthy before: only then is waiting for its health worthwhile. */
  readonly healthy: boolean;
  /** Restored just before the start, so that a container in a crash loop continues as before. */
  readonly restartPolicy?: string;
}

/** What starting containers needs. */
export interface StartContext {
  readonly containers: Pick<
    Containers,
    "inspect" | "start" | "stop" | "pause" | "unpause" | "setRestartPolicy"
  >;
  /** The current containers of the project. */
  readonly present: () => Promise<readonly ContainerState[]>;
  readonly dependencies?: Dependencies | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/**
 * How to wait for conditions. A rejection means that the awaited container failed. The signal is aborted when the start
 * is cancelled, and after the first failure of a strict one.
 */
export interface Waits {
  /** Called for containers whose health others wait for. */
  healthy(container: ContainerState, wasHealthy: boolean, signal: AbortSignal): Promise<void>;
  completed(container: ContainerState, signal: AbortSignal): Promise<void>;
  /** Called for each started container. Only the end of the whole start waits for it. */
  well?(container: ContainerState, signal: AbortSignal): Promise<void>;
  /**
   * Whether a dependency that was healthy before is waited for although only its start is asked for: an application
   * that finds its database down may end, and then looks like one that fails.
   */
  readonly awaitsStarted?: boolean;
  /**
   * Whether the first failure ends the start: nothing more is started or waited for. Else everything else is started,
   * and the failure is thrown then.
   */
  readonly isStrict: boolean;
}

/**
 * Starts containers as Compose does: each as soon as its needs have started, are healthy or have completed, and
 * independent ones in parallel. Running containers that join a namespace of a started one are restarted after it: their
 * namespace ended with the provider. Paused containers are paused again at the end. Safe to run again.
 *
 * @throws the first failure, after all starts and waits have ended.
 */
export async function startContainers(
  wanted: readonly Wanted[],
  context: StartContext,
  waits: Waits,
): Promise<void> {
  const present = await context.present();
  const all = withJoiners(wanted, present);
  const needs = needsOf(present, context.dependencies);
  const run = new Start(all, present, needs, context, waits);
  await run.all();
  for (const { name, state } of all) {
    if (state === "paused") await pauseAgain(run.idOf(name), context);
  }
}

/** The waits of a rollback: each has a time limit, and a condition that is not met in time only causes a warning. */
export function patientWaits(given: {
  readonly containers: Pick<Containers, "inspect">;
  readonly clock: Clock;
  readonly reporter: Pick<Reporter, "warning">;
  readonly timeoutMs: number;
}): Waits {
  const { containers, clock, reporter, timeoutMs } = given;
  return {
    isStrict: false,
    awaitsStarted: true,
    healthy: async ({ id, service }, wasHealthy) => {
      if (!wasHealthy) return;
      const look = async () => {
        const now = await containers.inspect(id);
        const isOver = now?.state !== "running" || now.health === "none";
        return isOver || now.health === "healthy" ? true : undefined;
      };
      if ((await waitFor(look, { clock, timeoutMs, everyMs: 200 })) !== undefined) return;
      reporter.warning(
        `${service} is not healthy yet: services that depend on it are started anyway`,
      );
    },
    // A rollback never reruns a one-shot.
    completed: async () => undefined,
  };
}

class Start {
  readonly #wanted: ReadonlyMap<string, Wanted>;
  readonly #present: ReadonlyMap<string, ContainerState>;
  readonly #needs: ReadonlyMap<string, readonly Need[]>;
  readonly #context: StartContext;
  readonly #waits: Waits;
  /** Ensures that each container is started once and each condition is awaited once. */
  readonly #begun = new Map<string, Promise<void>>();
  readonly #failures: unknown[] = [];
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;

  constructor(
    wanted: readonly Wanted[],
    present: readonly ContainerState[],
    needs: ReadonlyMap<string, readonly Need[]>,
    context: StartContext,
    waits: Waits,
  ) {
    this.#wanted = new Map(wanted.map((one) => [one.name, one]));
    this.#present = new Map(present.map((one) => [one.name, one]));
    this.#needs = needs;
    this.#context = context;
    this.#waits = waits;
    const { signal = this.#ended.signal } = context;
    this.#signal = AbortSignal.any([signal, this.#ended.signal]);
  }

  async all(): Promise<void> {
    const names = [...this.#wanted.keys()];
    await Promise.allSettled(names.map((name) => this.#started(name)));
    await Promise.allSettled(names.map((name) => this.#ready(name)));
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  idOf(name: string): string {
    return this.#present.get(name)?.id ?? "";
  }

  #once(key: string, work: () => Promise<void>): Promise<void> {
    const known = this.#begun.get(key);
    if (known !== undefined) return known;
    const begun = work().catch((error: unknown) => {
      this.#failures.push(error);
      if (!this.#waits.isStrict) return;
      this.#ended.abort(error);
      throw error;
    });
    this.#begun.set(key, begun);
    return begun;
  }

  #started(name: string): Promise<void> {
    return this.#once(`start ${name}`, async () => {
      await Promise.all(this.#needsOf(name).map((need) => this.#met(need)));
      this.#context.signal?.throwIfAborted();
      // After a failure, a strict start starts nothing more.
      if (this.#waits.isStrict && this.#failures.length > 0) return;
      await this.#start(name);
    });
  }

  /** What a container waits for. A one-shot that is not run is replaced by its own needs. */
  #needsOf(name: string): readonly Need[] {
    return (this.#needs.get(name) ?? []).flatMap((need) =>
      this.#wanted.has(need.on) || this.#present.get(need.on)?.state === "running"
        ? [need]
        : this.#needsOf(need.on),
    );
  }

  async #met({ on, condition }: Need): Promise<void> {
    const wanted = this.#wanted.get(on);
    if (wanted !== undefined) await this.#started(on);
    // What was not started because of a failure never becomes healthy.
    if (this.#waits.isStrict && this.#failures.length > 0) throw this.#failures[0];
    const other = this.#present.get(on);
    if (other === undefined) return;
    if (condition === "completed" && wanted?.state === "completed") await this.#completed(other);
    const isCareful = this.#waits.awaitsStarted === true && condition === "started";
    if (condition === "healthy" || (isCareful && wanted?.healthy === true)) {
      await this.#healthy(other);
    }
  }

  #healthy(one: ContainerState): Promise<void> {
    const wasHealthy = this.#wanted.get(one.name)?.healthy ?? one.health === "healthy";
    return this.#once(`healthy ${one.name}`, () =>
      this.#waits.healthy(one, wasHealthy, this.#signal),
    );
  }

  #completed(one: ContainerState): Promise<void> {
    return this.#once(`completed ${one.name}`, () => this.#waits.completed(one, this.#signal));
  }

  /** A one-shot has to complete successfully even if nothing waits for it. */
  async #ready(name: string): Promise<void> {
    const one = this.#present.get(name);
    if (one === undefined || (this.#waits.isStrict && this.#failures.length > 0)) return;
    if (this.#wanted.get(name)?.state === "completed") return await this.#completed(one);
    const { well } = this.#waits;
    if (well !== undefined) await this.#once(`well ${name}`, () => well(one, this.#signal));
  }

  async #start(name: string): Promise<void> {
    const { containers } = this.#context;
    const id = this.idOf(name);
    const found = id === "" ? undefined : await containers.inspect(id);
    if (found === undefined) throw new Error(`container ${name} is gone`);
    try {
      const { restartPolicy } = this.#wanted.get(name) ?? {};
      if (restartPolicy !== undefined) await containers.setRestartPolicy(id, restartPolicy);
      const isCutOff = await this.#isCutOff(found);
      if (found.state === "paused" && !isCutOff) {
        if (this.#wanted.get(name)?.state === "running") await containers.unpause(id);
        return;
      }
      if (isCutOff) {
        await containers.unpause(id);
        await containers.stop(id, stopSeconds(found));
      }
      await containers.start(id);
    } catch (cause) {
      throw new Error(`${name} could not be started: ${describeError(cause)}`, { cause });
    }
  }

  /** A namespace ends with its provider: a container that joined it earlier is left in an empty one. */
  async #isCutOff(one: ContainerState): Promise<boolean> {
    if (one.state !== "running" && one.state !== "paused") return false;
    for (const provider of this.#present.values()) {
      if (provider.name === one.name || !joins(one, provider)) continue;
      const now = await this.#context.containers.inspect(provider.id);
      if (now !== undefined && Date.parse(now.startedAt) > Date.parse(one.startedAt)) return true;
    }
    return false;
  }
}

/** Adds the running or paused containers that join a namespace of a wanted one. */
function withJoiners(wanted: readonly Wanted[], present: readonly ContainerState[]): Wanted[] {
  const providers = present.filter(({ name }) => wanted.some((one) => one.name === name));
  const joiners = joinersOf(present, providers).filter(
    ({ state }) => state === "running" || state === "paused",
  );
  return [
    ...wanted,
    ...joiners.map(({ name, state, health }): Wanted => {
      const healthy = health === "healthy";
      return { name, state: state === "paused" ? "paused" : "running", healthy };
    }),
  ];
}

async function pauseAgain(id: string, { containers }: StartContext): Promise<void> {
  if ((await containers.inspect(id))?.state === "running") await containers.pause(id);
}
