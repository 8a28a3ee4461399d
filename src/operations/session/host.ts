import type { Containers } from "../../core/containers.ts";
import type { TaskRunner } from "../../core/task.ts";
import type { ScratchProject } from "../../model/scratch-project.ts";
import type { ComposeModel, ContainerState, DiscoveredStore, Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import type { FirstStart } from "../../stack/first-start.ts";
import type { ScratchStack } from "../../stack/scratch.ts";
import type { ServerKind } from "../../stack/server-kind.ts";
import type { SharedUse } from "../../stack/shared.ts";
import type { Dependencies } from "./command.ts";

/** What one operation works with; everything it starts carries the operation's id. */
export interface Workbench {
  readonly containers: Containers & {
    /** Ends what a killed operation left running inside a container. */
    endLeftovers(container: string, operationId: string): Promise<boolean>;
    /** Removes the throw-away and helper containers that a killed operation left. */
    removeLeftovers(operationId: string): Promise<readonly string[]>;
  };
  readonly tasks: TaskRunner;
}

/** A lock that is held until it is released. */
export interface HeldLock {
  /** Operations whose owners died while they held the lock: to be recovered by this one. */
  readonly recoveredFrom: readonly DeadOwner[];
  /** Says that such an operation is recovered, so that no later run is told of it. */
  forget(dead: DeadOwner): Promise<void>;
  release(): Promise<void>;
}

/** Who held the lock and died. */
export interface DeadOwner {
  readonly operationId: string;
  readonly repository: string;
}

/** Who wants the lock. */
export interface LockWish {
  readonly project: string;
  readonly operationId: string;
  readonly operation: string;
  readonly repository: string;
  readonly timeoutMs: number;
}

/** The host of the stack: the engine, its containers, and the lock that all runs on it share. */
export interface Host {
  /** @throws RefusedError for a host that is not supported, or a stack that is not found or ambiguous. */
  discover(options: Options, dependencies: Dependencies): Promise<Stack>;
  /**
   * The stack without its stores, for one that may be too broken to be discovered.
   *
   * @throws RefusedError when it is not found, or is ambiguous.
   */
  readStack(options: Options, dependencies: Pick<Dependencies, "reporter">): Promise<Stack>;
  /**
   * The name of the stack's Compose project. With `project-name` given it need not have containers any more.
   *
   * @throws RefusedError when there is none, or when there are several.
   */
  project(options: Options, dependencies: Dependencies): Promise<string>;
  workbench(operationId: string, dependencies: Dependencies): Promise<Workbench>;
  /**
   * Takes the stack's lock; a dead owner's lock is taken over.
   *
   * @throws LockedError that tells who holds it.
   */
  lock(wish: LockWish, dependencies: Dependencies): Promise<HeldLock>;
  /** The engine itself, for what changes containers and images. */
  engine(): Promise<Engine>;
  /** `repository@sha256:...` of an image, or null. */
  repoDigest(imageId: string, reference: string): Promise<string | null>;
  /** Whether an image is on this host. @throws KeeperError when the engine cannot be asked. */
  hasImage(imageId: string): Promise<boolean>;
  /** The containers of a Compose project, running or not. */
  containersOf(project: string): Promise<readonly ContainerState[]>;
  /** The store of a running server of a known kind; undefined when its container is gone. */
  serverOf(
    container: string,
    kind: ServerKind,
    model: ComposeModel,
  ): Promise<DiscoveredStore | undefined>;
  /** Makes a server's first start in another directory than its own; see `stack/first-start.ts`. */
  startFirst(start: FirstStart, signal: AbortSignal): Promise<boolean>;
  /** Containers outside of the stack that use the places of its stores. */
  sharedUses(stack: Pick<Stack, "project" | "stores">): Promise<readonly SharedUse[]>;
  /** Prepares an isolated copy of a stack; nothing of it exists before its `create`. */
  openScratch(project: ScratchProject, operationId: string): Promise<ScratchStack>;
  /** Removes isolated copies that killed runs left. @returns their names. */
  removeDeadScratches(): Promise<readonly string[]>;
  /** Free bytes that this user may write at a path. */
  freeBytes(path: string): Promise<number>;
  /** The host's name, for the manifest. */
  readonly name: string;
}
