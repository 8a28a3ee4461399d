import type { Containers } from "../../core/containers.ts";
import type { ResponderRunner, TaskRunner } from "../../core/task.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import type { Dependencies } from "./command.ts";

/** What one operation works with; everything it starts carries the operation's id. */
export interface Workbench {
  readonly containers: Containers & {
    /** Ends what a killed operation left running inside a container. */
    endLeftovers(container: string, operationId: string): Promise<boolean>;
    /** Removes the throw-away and helper containers that a killed operation left. */
    removeLeftovers(operationId: string): Promise<readonly string[]>;
  };
  readonly tasks: TaskRunner & ResponderRunner;
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
interface LockWish {
  readonly project: string;
  readonly operationId: string;
  readonly operation: string;
  readonly repository: string;
  readonly timeoutMs: number;
}

/**
 * The host of the stack: how the stack is found on it, the lock that all runs share, and the engine. What only asks the
 * engine is a function of `src/stack` that takes it.
 */
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
  /** The engine. @throws KeeperError when it cannot be reached, or the host is not supported. */
  engine(): Promise<Engine>;
}
