import type { Readable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import type { Containers } from "../core/containers.ts";
import type { Reporter } from "../core/reporter.ts";
import type { TaskRunner } from "../core/task.ts";
import type { UndoStack } from "../core/undo.ts";
import type { Component, Count, Manifest } from "../model/manifest.ts";
import type { Check } from "../model/result.ts";
import type { DiscoveredStore, Mount } from "../model/stack.ts";
import type { Histories } from "./ef-migrations.ts";

/** Counts by name, as in {@link Component.counts}. */
export type Counts = Readonly<Record<string, Count>>;

/** Where component files go and how they are sealed. Plain JSON, so that a task can be given it. */
export interface SinkOptions {
  /** The `.partial-` directory of the backup in the making. */
  readonly directory: string;
  /** age recipients; empty with no passphrase means unencrypted. */
  readonly recipients: readonly string[];
  readonly passphrase: string | undefined;
}

/** What every use of a store is given. */
export interface StoreContext {
  readonly containers: Containers;
  readonly tasks: TaskRunner;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What a backup is given. */
export interface BackupContext extends StoreContext {
  readonly sink: SinkOptions;
  /** Undone when the backup fails or is cancelled; an undo that a kill must not lose is journalled too. */
  readonly undo: UndoStack;
  /** Writes one fsynced line before a step that changes the host, such as a pause. */
  readonly journal: (step: string, data: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly rabbitmqMessages: "pause" | "stop" | "none";
}

/** What a check of a component's structure is given: no server of the stack is needed. */
export interface CheckContext extends StoreContext {
  readonly manifest: Manifest;
  /** The backup's directory. */
  readonly directory: string;
  /** Identities that open the components; empty for an unencrypted backup. */
  readonly identities: readonly string[];
  readonly passphrase: string | undefined;
  /** The plain bytes of a component, checked to their end; an error of the stream means damage. */
  readonly open: (component: Component) => Promise<Readable>;
}

/** What a restore is given. */
export interface RestoreContext extends CheckContext {
  readonly undo: UndoStack;
  readonly journal: (step: string, data: Readonly<Record<string, unknown>>) => Promise<void>;
}

/** A store of a backup, and the empty place that it is restored into. */
export interface BackupAtPlace {
  readonly name: string;
  /** The compose service of its components. */
  readonly service: string | undefined;
  readonly components: readonly Component[];
  readonly mount: Mount;
}

/** What comparing counts came to. */
export type CountsVerdict = Pick<Check, "status" | "detail">;

/**
 * One kind of data that a stack keeps.
 *
 * A store never leaves its service in another run state than it found. Every method may be called while
 * the stack serves, except `restore`, which finds the writers stopped.
 *
 * `test/e2e/stores` runs every store through this contract.
 */
export interface Store<S extends DiscoveredStore = DiscoveredStore> {
  /** Names the store in manifests for ever. */
  readonly kind: string;

  /** A backup copies stores by this number, the lowest first: what refers to something else comes before it. */
  readonly backupOrder: number;

  /**
   * Whether a service of the stack keeps it: all components of that service are one store then, and it is compared once
   * the service runs. A store without one has the name of its component, which tells its place in `source`.
   */
  readonly hasServer: boolean;

  /** Whether `check` runs tools of the service's image, which must be on the host. */
  readonly checksWithImage: boolean;

  /** Whether the server begins in an empty directory only, and sees what was set aside in its mount point. */
  readonly needsEmptyMount?: boolean;

  /**
   * Copies the store into the sink, consistent in itself, as one or more components.
   *
   * @throws BackupFailedError naming the cause; no file of this store counts then.
   */
  backup(store: S, context: BackupContext): Promise<Component[]>;

  /**
   * Reads a component's structure to its last byte, with the backup's own images where a tool is needed.
   * Gives a failed check for damage and an `unverifiable` one where it cannot be judged. What `open` and its stream
   * throw may be thrown on: whoever asks takes it for what it says of the bytes.
   */
  check(component: Component, context: CheckContext): Promise<Check[]>;

  /**
   * Refuses components that the server, as it runs now, could not take. Changes nothing; a server that does not answer
   * is asked again when it is restored.
   *
   * @throws RefusedError with the way out.
   */
  requireFit?(store: S, components: readonly Component[], context: StoreContext): Promise<void>;

  /**
   * The store as it will be in an empty place. Set where `restore` puts the content there at rest, while no server
   * runs; without it, `restore` goes through the running server of `store.containerId`, which began empty.
   *
   * @throws UnverifiableError when the components do not make the store whole.
   */
  atRest?(place: BackupAtPlace): S;

  /**
   * Returns once the server answers for good. Asked again until it does; without it, `measure` is asked.
   *
   * @throws Error while it does not.
   */
  ready?(store: S, context: StoreContext): Promise<void>;

  /**
   * Puts the components back into the (empty or set-aside) store; nothing of a newer state survives.
   *
   * @throws Error when it cannot; the caller puts the set-aside state back.
   */
  restore(store: S, components: readonly Component[], context: RestoreContext): Promise<void>;

  /** Counts what is in the live or restored store now, under the same names as in the components. */
  measure(store: S, context: StoreContext): Promise<Counts>;

  /** Compares what was measured with what the components recorded; without it, every count that both have is compared. */
  compare?(recorded: Counts, found: Counts): CountsVerdict;

  /** For how long after its start a server may tell too little: it is measured again meanwhile. */
  readonly countsSettleMs?: number;

  /**
   * The EF Core migrations applied to each database of the live or restored store, named as in a manifest.
   *
   * @throws Error when the server does not answer or a database cannot be read.
   */
  migrations?(store: S, context: StoreContext): Promise<Histories>;
}
