import { waitFor } from "../../core/wait.ts";
import type { Clone } from "../clone/clone.ts";
import { contractOf } from "../fill/backed-up-store.ts";
import type { Dependencies } from "../session/command.ts";
import type { Trial } from "./trial.ts";

/** How long the upgrade waits for the health checks of store servers that answer already. */
const healthyMs = 60_000;

/** Which services of a clone run, and which a live upgrade would stop and start. */
export class CloneServices {
  readonly #clone: Pick<Clone, "services" | "start" | "stop" | "containers">;
  readonly #trial: Pick<Trial, "stores" | "images" | "model">;
  readonly #dependencies: Pick<Dependencies, "clock" | "signal">;

  constructor(
    clone: Pick<Clone, "services" | "start" | "stop" | "containers">,
    trial: Pick<Trial, "stores" | "images" | "model">,
    dependencies: Pick<Dependencies, "clock" | "signal">,
  ) {
    this.#clone = clone;
    this.#trial = trial;
    this.#dependencies = dependencies;
  }

  /** Stops all but the store servers. @returns how many seconds it took. */
  async stopWriters(): Promise<number> {
    const servers = new Set(this.#servers());
    const writers = this.#clone.services.filter((name) => !servers.has(name));
    const { clock } = this.#dependencies;
    const begunMs = clock.monotonicMs();
    await this.#stop(writers);
    return (clock.monotonicMs() - begunMs) / 1000;
  }

  /** Stops what a live upgrade to these images stops: a store server only if its own image changes. */
  async stopReplaced(): Promise<void> {
    const { signal } = this.#dependencies;
    const { model, images } = this.#trial;
    // Which services another definition replaces is Compose's decision.
    if (model !== undefined) return await this.#clone.stop(signal);
    await this.stopWriters();
    const replaced = this.#servers().filter((name) => name in images);
    await this.#stop(replaced);
  }

  async startServers(): Promise<void> {
    await this.#clone.start(this.#servers(), this.#dependencies.signal);
  }

  /** Waits for the health checks of the store servers: a live upgrade begins with healthy ones. */
  async serversHealthy(): Promise<void> {
    const { clock, signal } = this.#dependencies;
    const servers = new Set(this.#servers());
    const look = async () => {
      const starts = (await this.#clone.containers()).some(
        ({ service, health }) => servers.has(service) && health === "starting",
      );
      return starts ? undefined : true;
    };
    await waitFor(look, { clock, signal, timeoutMs: healthyMs });
  }

  /** Compose takes a second to find that nothing runs. */
  async #stop(services: readonly string[]): Promise<void> {
    const states = new Map(
      (await this.#clone.containers()).map(({ service, state }) => [service, state]),
    );
    const running = services.filter(
      (name) => !["created", "exited"].includes(states.get(name) ?? "created"),
    );
    if (running.length > 0) await this.#clone.stop(this.#dependencies.signal, running);
  }

  #servers(): string[] {
    return this.#trial.stores.flatMap((store) =>
      contractOf(store).hasServer && store.service !== undefined ? [store.service] : [],
    );
  }
}
