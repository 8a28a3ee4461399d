import type { Stack } from "../../model/stack.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Dependencies } from "./command.ts";
import type { Host, Workbench } from "./host.ts";
import type { UnfinishedOperation } from "./journal.ts";

/** The dependencies of a command that works on a host. */
export interface HostDependencies extends Dependencies {
  readonly host: Host;
  readonly recoveries: Recoveries;
}

/** The recovery of each kind of operation, by its name in the journal. */
export type Recoveries = Readonly<Record<string, Recovery>>;

/** Finishes or undoes one unfinished operation. Every recovery can be repeated. */
type Recovery = (context: RecoveryContext) => Promise<void>;

/** The input of the recovery of one operation. */
export interface RecoveryContext extends Workbench {
  readonly operation: UnfinishedOperation;
  readonly repository: Repository;
  readonly project: string;
  readonly host: Host;
  /** Discovers the current stack. Refuses a stack that the unfinished operation left incomplete. */
  readonly discover: () => Promise<Stack>;
  readonly dependencies: Dependencies;
}
