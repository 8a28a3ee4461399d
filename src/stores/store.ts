import type { Readable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import type { Containers } from "../core/containers.ts";
import type { Reporter } from "../core/reporter.ts";
import type { TaskRunner } from "../core/task.ts";
import type { UndoStack } from "../core/undo.ts";
import type { Component, Count, Manifest, StoreKind } from "../model/manifest.ts";
import type { Check } from "../model/result.ts";
import type { DiscoveredStore } from "../model/stack.ts";
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

/**
 * One kind of data that a stack keeps.
 *
 * A store never leaves its service in another run state than it found. Every method may be called while
 * the stack serves, except `restore`, which finds the writers stopped.
 */
export interface Store<S extends DiscoveredStore = DiscoveredStore> {
  readonly kind: StoreKind;

  /**
   * Copies the store into the sink, consistent in itself, as one or more components.
   *
   * @throws BackupFailedError naming the cause; no file of this store counts then.
   */
  backup(store: S, context: BackupContext): Promise<Component[]>;

  /**
   * Reads a component's structure to its last byte, with the backup's own images where a tool is needed.
   * Gives a failed check for damage and an `unverifiable` one where it cannot be judged; does not throw for either.
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
   * Puts the components back into the (empty or set-aside) store. The store's server, where it has one, is the
   * one of `store.containerId`; nothing of a newer state survives.
   *
   * @throws Error when it cannot; the caller puts the set-aside state back.
   */
  restore(store: S, components: readonly Component[], context: RestoreContext): Promise<void>;

  /** Counts what is in the live or restored store now, under the same names as in the components. */
  measure(store: S, context: StoreContext): Promise<Counts>;

  /**
   * The EF Core migrations applied to each database of the live or restored store, named as in a manifest.
   *
   * @throws Error when the server does not answer or a database cannot be read.
   */
  migrations?(store: S, context: StoreContext): Promise<Histories>;
}
