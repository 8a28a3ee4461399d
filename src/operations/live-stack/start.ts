import type { Clock } from "../../core/clock.ts";
import type { Containers } from "../../core/containers.ts";
import { describeError } from "../../core/errors.ts";
import type { Reporter } from "../../core/reporter.ts";
import { waitFor } from "../../core/wait.ts";
import type { ContainerState } from "../../model/stack.ts";
import { type Dependencies, joinersOf, joins, type Need, needsOf } from "./depends-on.ts";
import { pauseContainer } from "./pause.ts";
import { stopSeconds } from "./stop.ts";

/*
 * Compose makes the containers of a stack, and this file starts them. `docker compose start` and `up` cannot do it as
 * safely: they know services only, and would start the replica that a person has stopped; they run a one-shot again
 * that is done; a dependency that does not become healthy makes them leave the rest down, which on the way back has to
 * come up all the same; they read files that may be gone, or changed, when a killed run is recovered; and while a
 * dependency migrates nobody looks at its log. The order and the conditions are Compose's.
 */

/** A container that is to be brought into the state in which it was. */
export interface Wanted {
  readonly name: string;
  /** `completed`: a one-shot that is run now, and has to end well before what waits for it is started. */
  readonly state: "running" | "paused" | "completed";
  /** It was healthy before: only then it is worth waiting for. */
  readonly healthy: boolean;
  /** Given back just before the start, so that one in a crash loop goes on as before. */
  readonly restartPolicy?: string;
}

/** What starting containers works with. */
export interface StartContext {
  readonly containers: Pick<
    Containers,
    "inspect" | "start" | "stop" | "pause" | "unpause" | "setRestartPolicy"
  >;
  /** The containers of the project as they are now. */
  readonly present: () => Promise<readonly ContainerState[]>;
  readonly dependencies?: Dependencies | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** How conditions are waited for. What throws here is a failure of the container that was waited for. */
export interface Waits {
  /** Asked for what others wait to be healthy. */
  healthy(container: ContainerState, wasHealthy: boolean): Promise<void>;
  completed(container: ContainerState): Promise<void>;
  /** Asked for each container that was started; nobody but the end waits for it. */
  well?(container: ContainerState): Promise<void>;
  /**
   * Whether a dependency that was healthy before is waited for although only its start is asked for: an application
   * that finds its database down may end, and then looks like one that fails.
   */
  readonly awaitsStarted?: boolean;
  /** Whether a failure keeps everything else from being started. Else only the rest is started, and it is told then. */
  readonly isStrict: boolean;
}

/**
 * Starts containers as Compose does: each once what it waits for has started, is healthy or has ended well, and all
 * at once that nothing orders. What joins a namespace of one of them, and runs, is restarted after it: its own
 * namespace has ended with the provider. What was paused is paused again at the end. Can be run again.
 *
 * @throws the first failure, once no start is under way any more.
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

/** Waits on the way back: bounded, and what does not come in time is told and not waited for any longer. */
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
      reporter.warning(`${service} is not healthy yet: what depends on it is started all the same`);
    },
    // A one-shot is never run again on the way back.
    completed: async () => undefined,
  };
}

class Start {
  readonly #wanted: ReadonlyMap<string, Wanted>;
  readonly #present: ReadonlyMap<string, ContainerState>;
  readonly #needs: ReadonlyMap<string, readonly Need[]>;
  readonly #context: StartContext;
  readonly #waits: Waits;
  /** Each is started, and each condition is waited for, once. */
  readonly #begun = new Map<string, Promise<void>>();
  readonly #failures: unknown[] = [];

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
  }

  async all(): Promise<void> {
    const names = [...this.#wanted.keys()];
    const started = await Promise.allSettled(names.map((name) => this.#started(name)));
    const ready = await Promise.allSettled(names.map((name) => this.#ready(name)));
    for (const one of [...started, ...ready]) if (one.status === "rejected") throw one.reason;
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
      if (this.#waits.isStrict) throw error;
    });
    this.#begun.set(key, begun);
    return begun;
  }

  #started(name: string): Promise<void> {
    return this.#once(`start ${name}`, async () => {
      await Promise.all(this.#needsOf(name).map((need) => this.#met(need)));
      this.#context.signal?.throwIfAborted();
      // Nothing is added to a start that has failed.
      if (this.#waits.isStrict && this.#failures.length > 0) return;
      await this.#start(name);
    });
  }

  /** What a container waits for; a one-shot that is not run stands for what it waits for itself. */
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
    return this.#once(`healthy ${one.name}`, () => this.#waits.healthy(one, wasHealthy));
  }

  #completed(one: ContainerState): Promise<void> {
    return this.#once(`completed ${one.name}`, () => this.#waits.completed(one));
  }

  /** Also a one-shot that nobody waits for has to end well. */
  async #ready(name: string): Promise<void> {
    const one = this.#present.get(name);
    if (one === undefined || (this.#waits.isStrict && this.#failures.length > 0)) return;
    if (this.#wanted.get(name)?.state === "completed") return await this.#completed(one);
    const { well } = this.#waits;
    if (well !== undefined) await this.#once(`well ${name}`, () => well(one));
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

  /** A namespace ends with the container that it is of: one that joined it before has an empty one. */
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

/** With what runs, and joins a namespace of one of them. */
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

async function pauseAgain(id: string, { containers, clock }: StartContext): Promise<void> {
  if ((await containers.inspect(id))?.state !== "running") return;
  await pauseContainer(id, { containers, clock });
}
