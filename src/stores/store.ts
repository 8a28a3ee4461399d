import type { Readable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import type { Containers } from "../core/containers.ts";
import type { Reporter } from "../core/reporter.ts";
import type { TaskRunner } from "../core/task.ts";
import type { UndoStack } from "../core/undo.ts";
import type { Component, ComponentBase, Count, Manifest } from "../model/manifest.ts";
import type { Check } from "../model/result.ts";
import type { DiscoveredStore, Mount } from "../model/stack.ts";
import type { Histories } from "./ef-migrations.ts";

/** How a place that services write to is copied: while they are paused, stopped, or running. */
export type VolumeMode = "freeze" | "stop" | "live";

/** Counts by name, as in {@link Component.counts}. */
export type Counts = Readonly<Record<string, Count>>;

/** Where component files are written and how they are encrypted. Plain JSON, so that a task can receive it. */
export interface SinkOptions {
  /** The `.partial-` directory of the unfinished backup. */
  readonly directory: string;
  /** age recipients. Empty, and no passphrase: unencrypted. */
  readonly recipients: readonly string[];
  readonly passphrase: string | undefined;
  /** Components are deltas against those of an earlier backup, and are indexed for later ones. Absent: neither. */
  readonly incremental?: IncrementalOptions | undefined;
}

/** How the components of an incremental backup are written. The indexes lie in the sink: `indexPaths`. */
export interface IncrementalOptions {
  /** The key of the chunks' hashes, 32 bytes in hex: random for each full backup. */
  readonly key: string;
  /** A digest of who can read the backup, 32 bytes in hex. */
  readonly audience: string;
  /** Whether a later backup may be a delta against this one. */
  readonly isParent: boolean;
  /** How long a file must have been at rest before its stamp proves its content later. Absent: a minute. */
  readonly restMs?: number;
  /** The components of the parent by name; none for a full backup. Each has an index. */
  readonly bases: Readonly<Record<string, ComponentBase>>;
}

/** The context of every store operation. */
export interface StoreContext {
  readonly containers: Containers;
  readonly tasks: TaskRunner;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The context of a backup. */
export interface BackupContext extends StoreContext {
  readonly sink: SinkOptions;
  /** Runs when the backup fails or is cancelled. An undo step that must survive a kill is journalled too. */
  readonly undo: UndoStack;
  /** Writes one fsynced line before a step that changes the host, such as a pause. */
  readonly journal: (step: string, data: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly rabbitmqMessages: "pause" | "stop" | "none";
  /** Whether the backup may contain files of the host that the owner of the project directory cannot read. */
  readonly includeHostFiles?: boolean;
  /** How a volume is kept consistent, by the store's name. `stop`: its writers are stopped already. Absent: live. */
  readonly volumeModes?: Readonly<Record<string, VolumeMode>>;
  /**
   * The steps of this name that earlier backups journalled and that were undone, with the time in which they may have
   * taken effect: a server may have finished later what it was asked for. Absent if there is no record.
   */
  readonly undone?: (step: string) => readonly {
    readonly data: unknown;
    readonly from: string;
    readonly to: string;
  }[];
}

/** The context of a check of a component's structure. The check needs no server of the stack. */
export interface CheckContext extends StoreContext {
  readonly manifest: Manifest;
  /** The backup's directory. */
  readonly directory: string;
  /** Identities that open the components; empty for an unencrypted backup. */
  readonly identities: readonly string[];
  readonly passphrase: string | undefined;
  /** See `SourceOptions`. */
  readonly untrusted?: boolean | undefined;
  /** The plain bytes of a component, verified to the last byte. An error of the stream means damage. */
  readonly open: (component: Component) => Promise<Readable>;
}

/** The context of a restore. */
export interface RestoreContext extends CheckContext {
  readonly undo: UndoStack;
  /** The host paths of all stores. One inside another keeps its place when the outer one is replaced. Absent: unknown. */
  readonly places?: readonly string[];
  /** The host paths that containers of the stack mount: what fills one of them must not lead it elsewhere. */
  readonly mounted?: readonly string[];
  readonly journal: (step: string, data: Readonly<Record<string, unknown>>) => Promise<void>;
}

/** A store of a backup, and the empty place into which it is restored. */
export interface BackupAtPlace {
  readonly name: string;
  /** The compose service of its components. */
  readonly service: string | undefined;
  readonly components: readonly Component[];
  readonly mount: Mount;
}

/** The result of a comparison of counts. */
export type CountsVerdict = Pick<Check, "status" | "detail">;

/**
 * One kind of data that a stack keeps.
 *
 * A store always leaves its service in the run state in which it found it. Every method except `restore` may be called
 * while the stack is live; for `restore` the writers are stopped.
 *
 * `test/e2e/stores` runs every store through this contract.
 */
export interface Store<S extends DiscoveredStore = DiscoveredStore> {
  /** The name of the store in manifests. It must never change. */
  readonly kind: string;

  /** A backup copies the stores in ascending order. A store that refers to another one comes before it. */
  readonly backupOrder: number;

  /**
   * Whether a service of the stack is the server of the store. If so, all components of that service are one store, and
   * the store is compared once the service runs. Otherwise the store has the name of its component, whose `source` is
   * its place.
   */
  readonly hasServer: boolean;

  /** Whether `check` runs tools of the service's image, which must be on the host. */
  readonly checksWithImage: boolean;

  /** Whether the server starts only in an empty directory, so that data set aside in its mount point prevents it. */
  readonly needsEmptyMount?: boolean;

  /**
   * Gets ready what the copy of the store will need, as soon as a backup begins and while other stores are copied. Reads
   * nothing that the copy relies on. The caller ignores its failure: the copy meets the same one.
   */
  prepare?(store: S, context: BackupContext): Promise<void>;

  /**
   * Refuses a server that this tool cannot log in to. Called before anything begins, and changes nothing. A server that
   * does not answer at all is not refused: `backup` reports that.
   *
   * @throws RefusedError that names the setting to change.
   */
  requireAccess?(store: S, context: StoreContext): Promise<void>;

  /**
   * Copies the store into the sink, consistent in itself, as one or more components.
   *
   * @throws BackupFailedError that names the cause; no file of this store is valid in that case.
   */
  backup(store: S, context: BackupContext): Promise<Component[]>;

  /**
   * Reads a component's structure to its last byte. If a tool is needed, it runs in the image recorded in the backup.
   * Returns a failed check for damage, and an `unverifiable` check if this host cannot decide. Errors of `open` and its
   * stream may be thrown: the caller classifies them.
   */
  check(component: Component, context: CheckContext): Promise<Check[]>;

  /**
   * Refuses components that the running server could not restore. Changes nothing. A server that does not answer is
   * asked again during the restore.
   *
   * @throws RefusedError with a hint what to do.
   */
  requireFit?(store: S, components: readonly Component[], context: StoreContext): Promise<void>;

  /**
   * The store as it will be in an empty place. Defined if `restore` writes the files while no server runs. Otherwise
   * `restore` goes through the running server of `store.containerId`, which started empty.
   *
   * @throws UnverifiableError when the components do not contain the whole store.
   */
  atRest?(place: BackupAtPlace): S;

  /**
   * Returns if the server answers reliably. The caller repeats it until it succeeds. Without it, `measure` is used.
   *
   * @throws Error while the server is not ready.
   */
  ready?(store: S, context: StoreContext): Promise<void>;

  /**
   * Restores the components into the store, which is empty or was set aside. Nothing of a newer state remains.
   *
   * @throws Error when the restore fails; the caller puts the set-aside state back.
   */
  restore(store: S, components: readonly Component[], context: RestoreContext): Promise<void>;

  /**
   * Restores single databases or collections into a running server that keeps everything else. The caller has set a copy of
   * the previous content aside. Absent if only the whole store can be restored.
   *
   * @throws Error when the restore fails; the caller puts the set-aside state back.
   */
  restorePart?(store: S, components: readonly Component[], context: RestoreContext): Promise<void>;

  /**
   * Refuses components that {@link restorePart} could not restore into the running server. Changes nothing.
   *
   * @throws RefusedError with a hint what to do.
   */
  requirePartFit?(store: S, components: readonly Component[], context: StoreContext): Promise<void>;

  /** Counts the current content of the live or restored store, under the same names as in the components. */
  measure(store: S, context: StoreContext): Promise<Counts>;

  /** Compares the measured counts with the recorded ones. Without it, every count that both have is compared. */
  compare?(recorded: Counts, found: Counts): CountsVerdict;

  /** How long after its start a server may report too low counts. During this time it is measured again. */
  readonly countsSettleMs?: number;

  /**
   * The EF Core migrations applied to each database of the live or restored store, named as in a manifest.
   *
   * @throws Error when the server does not answer or a database cannot be read.
   */
  migrations?(store: S, context: StoreContext): Promise<Histories>;
}
