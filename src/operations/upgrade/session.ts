import type { Repository } from "../../repository/repository.ts";
import { type Engine, engineOf } from "../../stack/engine.ts";
import type { Dependencies } from "../session/command.ts";
import type { Workbench } from "../session/host.ts";
import type { Journal } from "../session/journal.ts";
import type { Session } from "../session/session.ts";
import type { upgradeJournal } from "./journal.ts";

/** A live upgrade under way. */
export type UpgradeSession = Session<typeof upgradeJournal>;

/** The parts of a session with which the preflight checks look at a stack, without its lock and its journal. */
export type LookingSession = Pick<
  UpgradeSession,
  "id" | "stack" | "options" | "repository" | "host" | "tasks" | "containers" | "dependencies"
>;

/** What a rollback needs, both in the upgrade itself and in a recovery. */
export interface RollbackContext extends Workbench {
  readonly id: string;
  readonly engine: Engine;
  readonly repository: Repository;
  readonly journal: Pick<Journal<typeof upgradeJournal>, "append" | "freeBallast">;
  readonly dependencies: Dependencies;
  /** Undefined in a recovery: the header is a secret that no journal contains. */
  readonly healthHeader: string | undefined;
  /** Undefined in a recovery, too. */
  readonly passphrase?: string | undefined;
}

/** The rollback context of a running upgrade. */
export async function rollbackContext(session: UpgradeSession): Promise<RollbackContext> {
  const { id, containers, tasks, repository, journal, dependencies, options, host } = session;
  const engine = engineOf(id, await host.engine());
  const { healthHeader, passphrase } = options;
  const secrets = { healthHeader, passphrase };
  return { id, containers, tasks, repository, journal, dependencies, engine, ...secrets };
}
