import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { placeOf } from "../../../src/model/stack.ts";
import type { Store } from "../../../src/stores/store.ts";
import { run } from "../../lab/run.ts";
import type { StorePromise } from "./subject.ts";

/** A store that breaks a promise, made of one that keeps all of them. */
export interface BrokenStore {
  readonly title: string;
  readonly breaks: readonly StorePromise[];
  readonly make: (good: Store, service: string) => Store;
}

/** Each breaks one promise, in the way in which real ones have been broken. */
export const brokenStores: readonly BrokenStore[] = [
  {
    title: "backs up nothing, and says nothing",
    breaks: ["backs up what is written to"],
    make: (good) => ({ ...good, backup: async () => [] }),
  },
  {
    title: "records a checksum that is not its file's",
    breaks: ["backs up what is written to"],
    make: (good) => ({
      ...good,
      backup: async (store, context) => {
        const components = await good.backup(store, context);
        return components.map((component) => ({ ...component, sha256: "0".repeat(64) }));
      },
    }),
  },
  {
    title: "leaves a file beside its components",
    breaks: ["backs up what is written to"],
    make: (good) => ({
      ...good,
      backup: async (store, context) => {
        await writeFile(join(context.sink.directory, "left"), "");
        return await good.backup(store, context);
      },
    }),
  },
  {
    title: "pauses its service and forgets it",
    breaks: ["leaves the service as it was"],
    make: (good, service) => ({
      ...good,
      backup: async (store, context) => {
        await context.containers.pause(service);
        return await good.backup(store, context);
      },
    }),
  },
  {
    title: "restarts its service",
    breaks: ["leaves the service as it was", "leaves nothing when cancelled"],
    make: (good, service) => ({
      ...good,
      backup: async (store, context) => {
        await context.containers.stop(service, 0);
        await context.containers.start(service);
        return await good.backup(store, context);
      },
    }),
  },
  {
    title: "checks nothing",
    breaks: ["reads its backup as good"],
    make: (good) => ({ ...good, check: async () => [] }),
  },
  {
    title: "calls everything good without a look",
    breaks: ["finds a cut", "finds a flipped byte", "finds foreign bytes"],
    make: (good) => ({
      ...good,
      check: async ({ name }) => [{ name: "look", component: name, status: "pass", detail: "" }],
    }),
  },
  {
    title: "reads to the last byte and understands nothing",
    breaks: ["finds a cut", "finds foreign bytes"],
    make: (good) => ({
      ...good,
      check: async (component, context) => {
        for await (const _chunk of await context.open(component)) context.signal.throwIfAborted();
        return [{ name: "read", component: component.name, status: "pass", detail: "" }];
      },
    }),
  },
  {
    title: "loses a file when it restores",
    breaks: ["restores into an empty place"],
    make: (good) => ({
      ...good,
      restore: async (store, components, context) => {
        await good.restore(store, components, context);
        await rm(join(placeOf(store), "notes", "7.md"));
      },
    }),
  },
  {
    title: "restores an older state of the database",
    breaks: ["holds every acknowledged write", "measures what it recorded"],
    make: (good) => ({
      ...good,
      restore: async (store, components, context) => {
        await good.restore(store, components, context);
        await run(["sqlite3", join(placeOf(store), "app.db"), "delete from written where id < 3"]);
      },
    }),
  },
  {
    title: "fails to restore",
    breaks: ["restores into an empty place"],
    make: (good) => ({
      ...good,
      restore: async () => {
        throw new Error("cannot");
      },
    }),
  },
  {
    title: "measures something else than it recorded",
    breaks: ["measures what it recorded"],
    make: (good) => ({
      ...good,
      measure: async (store, context) => {
        const { files = 0, ...counts } = await good.measure(store, context);
        return { ...counts, files: typeof files === "number" ? files + 1 : files };
      },
    }),
  },
  {
    title: "finds all counts equal",
    breaks: ["tells when something is missing"],
    make: (good) => ({ ...good, compare: () => ({ status: "pass", detail: "" }) }),
  },
  {
    title: "goes on when it is cancelled",
    breaks: ["leaves nothing when cancelled"],
    make: (good) => ({
      ...good,
      backup: (store, context) =>
        good.backup(store, { ...context, signal: new AbortController().signal }),
    }),
  },
  {
    title: "leaves its service paused when it is cancelled",
    breaks: ["leaves nothing when cancelled"],
    make: (good, service) => ({
      ...good,
      backup: async (store, context) => {
        await context.containers.pause(service);
        const components = await good.backup(store, context);
        await context.containers.unpause(service);
        return components;
      },
    }),
  },
];
