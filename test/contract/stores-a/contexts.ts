import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { systemClock } from "../../../src/core/clock.ts";
import type { Containers } from "../../../src/core/containers.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import type { NamedTask, TaskPlace, TaskRunner } from "../../../src/core/task.ts";
import { UndoStack } from "../../../src/core/undo.ts";
import type { Component, Manifest } from "../../../src/model/manifest.ts";
import type { DataStore, Mount } from "../../../src/model/stack.ts";
import { openComponent } from "../../../src/stores/reader.ts";
import type { BackupContext, RestoreContext, SinkOptions } from "../../../src/stores/store.ts";

/** Runs tasks in this process, as root does; parameters and results go through JSON, as they do elsewhere. */
export const plainTasks: TaskRunner = {
  run: async <P, R>(task: NamedTask<P, R>, params: P, _place: TaskPlace, signal?: AbortSignal) => {
    const context = { reporter: silentReporter, signal: signal ?? new AbortController().signal };
    const result = await task.run(JSON.parse(JSON.stringify(params)) as P, context);
    return JSON.parse(JSON.stringify(result)) as R;
  },
  keep: () => ({ ...plainTasks, [Symbol.asyncDispose]: async () => undefined }),
};

const noContainers = new Proxy({} as Containers, {
  get: (_target, name) => {
    throw new Error(`this store needs no container (${String(name)})`);
  },
});

export interface Journalled {
  readonly step: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The contexts of one test, around one sink. */
export function contextsOf(
  directory: string,
  options: {
    readonly sink?: Partial<SinkOptions>;
    readonly identities?: readonly string[];
    readonly containers?: Containers;
    readonly signal?: AbortSignal;
    readonly manifest?: Partial<Manifest>;
  } = {},
): { backup: BackupContext; restore: RestoreContext; journal: Journalled[] } {
  rmSync(join(directory, "backup"), { recursive: true, force: true });
  mkdirSync(join(directory, "backup"));
  const journal: Journalled[] = [];
  const sink: SinkOptions = {
    directory: join(directory, "backup"),
    recipients: [],
    passphrase: undefined,
    ...options.sink,
  };
  const source = {
    directory: sink.directory,
    identities: options.identities ?? [],
    passphrase: sink.passphrase,
  };
  const common = {
    containers: options.containers ?? noContainers,
    tasks: plainTasks,
    reporter: silentReporter,
    clock: systemClock,
    signal: options.signal ?? new AbortController().signal,
    undo: new UndoStack(),
    journal: async (step: string, data: Readonly<Record<string, unknown>>) => {
      journal.push({ step, data });
    },
  };
  return {
    journal,
    backup: { ...common, sink, rabbitmqMessages: "none" },
    restore: {
      ...common,
      ...source,
      manifest: (options.manifest ?? {}) as Manifest,
      open: async (component: Component): Promise<Readable> => openComponent(source, component),
    },
  };
}

/** A bind mount as the engine reports it. */
export function bindMount(source: string): Mount {
  const target = "/srv/data";
  return { type: "bind", source, target, writable: true, anonymous: false, plain: true };
}

/** The data directory at a path. */
export function dataStoreAt(path: string, options: Partial<DataStore> = {}): DataStore {
  return {
    kind: "data",
    name: "data",
    path,
    mount: bindMount(path),
    services: ["gateway"],
    vaultKey: "security/vault.key",
    databases: ["data/sophon.db"],
    exclude: [],
    ...options,
  };
}
