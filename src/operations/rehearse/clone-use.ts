import { freemem, totalmem } from "node:os";
import { UnverifiableError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import type { ContainerState } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import { isInternalNetwork, useOf } from "../../stack/container-use.ts";
import type { Engine } from "../../stack/engine.ts";
import type { Clone } from "../clone/clone.ts";
import type { Dependencies } from "../session/command.ts";
import { bytesPerUnit, tooMuch } from "./memory-limit.ts";

const everyMs = 1_000;

/** Measures what a clone uses until it is disposed, and ends a clone that uses too much memory. */
export class CloneUse implements AsyncDisposable {
  /** Aborted with the reason when the clone uses too much. */
  readonly signal: AbortSignal;
  readonly #engine: Pick<Engine, "docker">;
  #peakBytes = 0;
  /** By the start of a container: the packets of one whose network leads out of the clone. */
  readonly #packets = new Map<string, number>();
  readonly #internal = new Map<string, boolean>();
  readonly #ended = new AbortController();
  readonly #watch: Promise<void>;

  constructor(
    clone: Pick<Clone, "containers">,
    engine: Pick<Engine, "docker">,
    { cloneMemory }: Pick<Options, "cloneMemory">,
    { clock }: Pick<Dependencies, "clock">,
  ) {
    const over = new AbortController();
    this.signal = over.signal;
    this.#engine = engine;
    const look = async () => {
      const running = (await clone.containers()).filter(({ state }) => state === "running");
      const each = await Promise.all(running.map((one) => this.#look(one)));
      const bytes = each.reduce((sum, one) => sum + one, 0);
      this.#peakBytes = Math.max(this.#peakBytes, bytes);
      const trouble = tooMuch(bytes, cloneMemory, { free: freemem(), total: totalmem() });
      if (trouble !== undefined) over.abort(memoryError(trouble));
    };
    this.#watch = (async () => {
      while (!this.#ended.signal.aborted) {
        // A container that was just removed: the next look counts.
        await look().catch(() => undefined);
        await clock.sleep(everyMs, this.#ended.signal).catch(() => undefined);
      }
    })();
  }

  /** What was measured so far; nothing if the clone was never seen running. */
  get measured(): { readonly memoryPeakBytes?: number; readonly packetsOut?: number } {
    if (this.#peakBytes === 0) return {};
    const packetsOut = [...this.#packets.values()].reduce((sum, one) => sum + one, 0);
    return { memoryPeakBytes: this.#peakBytes, packetsOut };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#watch;
  }

  /** @returns the memory of the container. */
  async #look({ id, startedAt, addresses }: ContainerState): Promise<number> {
    const { memoryBytes, packetsSent } = await useOf(this.#engine, id);
    const inside = await Promise.all(Object.keys(addresses).map((name) => this.#isInternal(name)));
    // The engine does not tell which of them went over which network.
    if (inside.includes(false)) this.#packets.set(`${id} ${startedAt}`, packetsSent);
    return memoryBytes;
  }

  async #isInternal(network: string): Promise<boolean> {
    const known = this.#internal.get(network) ?? (await isInternalNetwork(this.#engine, network));
    this.#internal.set(network, known);
    return known;
  }
}

/** @throws UnverifiableError if the host has not the memory that the clone may use. */
export function requireMemory({ cloneMemory }: Pick<Options, "cloneMemory">): void {
  const wanted = (cloneMemory ?? 0) * bytesPerUnit;
  const free = freemem();
  if (wanted <= free) return;
  throw memoryError(
    `clone-memory is ${formatBytes(wanted)}, and the host has ${formatBytes(free)} to spare`,
  );
}

function memoryError(message: string): UnverifiableError {
  return new UnverifiableError(message, {
    class: "memory",
    hint: "Give a higher clone-memory, or rehearse on a host with more memory.",
  });
}
