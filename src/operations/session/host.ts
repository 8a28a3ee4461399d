import type { Containers } from "../../core/containers.ts";
import type { ResponderRunner, TaskRunner } from "../../core/task.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Engine } from "../../stack/engine.ts";
import type { Dependencies } from "./command.ts";

/** The tools of one operation. Everything they start carries the operation's id. */
export interface Workbench {
  readonly containers: Containers & {
    /** Ends the programs that a killed operation left running inside a container. */
    endLeftovers(container: string, operationId: string): Promise<boolean>;
    /** Removes the temporary containers and helpers that a killed operation left. */
    removeLeftovers(operationId: string): Promise<readonly string[]>;
  };
  readonly tasks: TaskRunner & ResponderRunner;
}

/** A lock that is held until it is released. */
export interface HeldLock {
  /** Operations whose owners died while they held the lock. The new owner must recover them. */
  readonly recoveredFrom: readonly DeadOwner[];
  /** Records that the operation was recovered, so that no later run recovers it again. */
  forget(dead: DeadOwner): Promise<void>;
  release(): Promise<void>;
}

/** An operation that died while it held the lock. */
export interface DeadOwner {
  readonly operationId: string;
  readonly repository: string;
}

/** A request for the lock. */
interface LockWish {
  readonly project: string;
  readonly operationId: string;
  readonly operation: string;
  readonly repository: string;
  readonly timeoutMs: number;
}

/**
 * The host of the stack: discovery of the stack, the lock that all runs share, and the engine. Code that needs only the
 * engine is a function in `src/stack` with the engine as a parameter.
 */
export interface Host {
  /** @throws RefusedError if the host is not supported, or the stack is not found or ambiguous. */
  discover(options: Options, dependencies: Dependencies): Promise<Stack>;
  /**
   * The stack without its stores, for a stack that may be too broken for discovery.
   *
   * @throws RefusedError if the stack is not found or ambiguous.
   */
  readStack(options: Options, dependencies: Pick<Dependencies, "reporter">): Promise<Stack>;
  /**
   * The name of the stack's Compose project. If `project-name` is given, the project may be without containers.
   *
   * @throws RefusedError if there is no project, or more than one.
   */
  project(options: Options, dependencies: Dependencies): Promise<string>;
  workbench(operationId: string, dependencies: Dependencies): Promise<Workbench>;
  /**
   * Takes the stack's lock. The lock of a dead owner is taken over.
   *
   * @throws LockedError that names the owner.
   */
  lock(wish: LockWish, dependencies: Dependencies): Promise<HeldLock>;
  /** The engine. @throws KeeperError if the engine cannot be reached or the host is not supported. */
  engine(): Promise<Engine>;
}
