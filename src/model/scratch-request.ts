import type { ComposeModel } from "./stack.ts";

/** What an isolated copy of a stack is made from. */
export interface ScratchRequest {
  /** The resolved model of the stack that the backup was made of. */
  readonly model: ComposeModel;
  /** Name of the copy; the stack's own name is `model.name`. */
  readonly project: string;
  /** The operation it belongs to. */
  readonly operationId: string;
  /** Further labels, such as who owns it. */
  readonly labels: Readonly<Record<string, string>>;
  /** The image of each service that is copied, by id; a service without one is left out. */
  readonly images: Readonly<Record<string, string>>;
  /** Host names that data is bound to, by service. */
  readonly hostnames: Readonly<Record<string, string>>;
  /** Volume names and host paths that get a fresh, empty volume each. */
  readonly stores: readonly string[];
  /** The processors of the host. Absent: the copy is not kept from any of them. */
  readonly processors?: number;
  /** Copies of read-only files, by their path on the stack's host. */
  readonly files: Readonly<Record<string, string>>;
  /** Files that services may write to: the path of the copy's own file, by the path on the stack's host. Absent: none. */
  readonly ownFiles?: Readonly<Record<string, string>>;
  /** Paths inside {@link ScratchRequest.stores} that are not in the backup. Absent: none. */
  readonly holes?: readonly string[];
  /** The volumes of an earlier definition of the same copy (`ScratchProject.volumes`), which stay. */
  readonly volumes?: Readonly<Record<string, string>>;
}
