import type { Stack } from "../../model/stack.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Dependencies } from "./command.ts";
import type { Host, Workbench } from "./host.ts";
import type { UnfinishedOperation } from "./journal.ts";

/** What a command that works on a host is given. */
export interface HostDependencies extends Dependencies {
  readonly host: Host;
  readonly recoveries: Recoveries;
}

/** How an unfinished operation of each kind is finished or undone, by its name in the journal. */
export type Recoveries = Readonly<Record<string, Recovery>>;

/** Finishes or undoes one unfinished operation. Every recovery can be run again. */
type Recovery = (context: RecoveryContext) => Promise<void>;

/** What the recovery of one operation is given. */
export interface RecoveryContext extends Workbench {
  readonly operation: UnfinishedOperation;
  readonly repository: Repository;
  readonly project: string;
  readonly host: Host;
  /** The stack as it is now; refuses one that the unfinished operation left in pieces. */
  readonly discover: () => Promise<Stack>;
  readonly dependencies: Dependencies;
}
