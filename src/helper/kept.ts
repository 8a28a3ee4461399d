import type { TaskMount, TaskPlace } from "../core/task.ts";
import type { Helper } from "./helper.ts";
import { mergeMounts } from "./helper-arguments.ts";

/** Helpers that stay for later tasks with a fitting place. */
export class KeptHelpers {
  readonly #start: (place: TaskPlace) => Promise<Helper>;
  readonly #mounts: readonly TaskMount[];
  readonly #helpers: Helper[] = [];
  /** Work in helpers that were started for it. */
  readonly #inNew = new Set<Promise<unknown>>();
  #isOver = false;

  /** @param mounts - the mounts that each helper of root gets, besides those of its first task. */
  constructor(start: (place: TaskPlace) => Promise<Helper>, mounts: readonly TaskMount[]) {
    this.#start = start;
    this.#mounts = mounts;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Runs work in a free helper that fits, or in a new one. */
  async use<R>(place: TaskPlace, work: (helper: Helper) => Promise<R>): Promise<R> {
    const free = this.#helpers.find((helper) => !helper.isTaken() && fits(helper.place, place));
    if (free !== undefined) return await work(free);
    const inNew = this.#useNew(place, work);
    this.#inNew.add(inNew);
    try {
      return await inNew;
    } finally {
      this.#inNew.delete(inNew);
    }
  }

  /** Ends all helpers, those that are starting included, and waits until their containers have gone. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#helpers.map((helper) => helper.end()));
    await Promise.allSettled(this.#inNew);
  }

  async #useNew<R>(place: TaskPlace, work: (helper: Helper) => Promise<R>): Promise<R> {
    const more = place.user === undefined ? this.#mounts : [];
    const mounts = mergeMounts([...place.mounts, ...more]);
    const helper = await this.#start({ ...place, mounts });
    if (!this.isOver) {
      this.#helpers.push(helper);
      return await work(helper);
    }
    // The others were ended while this one started.
    try {
      return await work(helper);
    } finally {
      await helper.end();
    }
  }
}

function fits(has: TaskPlace, wants: TaskPlace): boolean {
  if (has.networkOf !== wants.networkOf || has.user !== wants.user) return false;
  return wants.mounts.every(({ path, volume, readOnly }) =>
    has.mounts.some(
      (mount) => mount.path === path && mount.volume === volume && (readOnly || !mount.readOnly),
    ),
  );
}
