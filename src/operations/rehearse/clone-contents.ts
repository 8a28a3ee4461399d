import { describeError, KeeperError, UnverifiableError } from "../../core/errors.ts";
import { waitFor } from "../../core/wait.ts";
import type { Check } from "../../model/result.ts";
import type { DiscoveredStore } from "../../model/stack.ts";
import type { Counts } from "../../stores/store.ts";
import { type BackedUpStore, contractOf } from "../fill/backed-up-store.ts";
import { compareWith } from "../fill/compare.ts";
import { countsOf, type FillRequest, storeOnceReady } from "../fill/fill-stores.ts";

/** The counts of every store, by its name. */
export type Contents = Readonly<Record<string, Counts>>;

/** Reads the content of a clone whose store servers run and whose other services are stopped. */
export class CloneContents {
  readonly #filling: FillRequest;
  readonly #filled: readonly DiscoveredStore[];

  /** @param filled - the stores without a server, as they were when the clone was filled */
  constructor(filling: FillRequest, filled: readonly DiscoveredStore[]) {
    this.#filling = filling;
    this.#filled = filled;
  }

  async read(): Promise<Contents> {
    return await countsOf(await this.#stores(), this.#filling);
  }

  /** Waits until every server can be queried. @throws UnverifiableError if one does not become ready. */
  async ready(): Promise<void> {
    const { signal } = this.#filling.dependencies;
    await this.#stores().catch((cause: unknown) => {
      signal.throwIfAborted();
      if (cause instanceof KeeperError) throw cause;
      throw new UnverifiableError(describeError(cause), { class: "control", cause });
    });
  }

  /**
   * Compares the content with an earlier one, by the rule of each store. Gives a server the time that it may need to
   * count everything after its start.
   */
  async compare(name: string, before: Contents): Promise<Check[]> {
    const { stores, dependencies } = this.#filling;
    const { clock, signal } = dependencies;
    const look = async () => {
      const now = await this.read();
      return stores.map((store) => compareWith(name, store, before, now));
    };
    const isSame = (checks: readonly Check[]) => checks.every(({ status }) => status === "pass");
    let checks = await look();
    const settling = stores.map((store) => contractOf(store).countsSettleMs ?? 0);
    const again = async () => {
      if (isSame(checks)) return true;
      checks = await look();
      return isSame(checks) ? true : undefined;
    };
    const timeoutMs = Math.max(0, ...settling);
    if (timeoutMs > 0) await waitFor(again, { clock, timeoutMs, everyMs: 1_000, signal });
    return checks;
  }

  /** The stores with their current containers, which an upgrade replaces. */
  async #stores(): Promise<DiscoveredStore[]> {
    const all = this.#filling.stores.map((store) => this.#storeNow(store));
    return (await Promise.all(all)).filter((store) => store !== undefined);
  }

  async #storeNow(store: BackedUpStore): Promise<DiscoveredStore | undefined> {
    if (contractOf(store).hasServer) return await storeOnceReady(store, this.#filling);
    return this.#filled.find(({ name }) => name === store.name);
  }
}
