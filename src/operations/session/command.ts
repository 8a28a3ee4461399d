import type { Clock } from "../../core/clock.ts";
import type { Reporter } from "../../core/reporter.ts";
import type { Destination } from "../../destinations/destination.ts";
import type { Result } from "../../model/result.ts";
import { type CommandName, commandNames } from "../../options/command-names.ts";
import type { Options } from "../../options/parse.ts";

/** What every command is given by the composition root. */
export interface Dependencies {
  readonly reporter: Reporter;
  readonly clock: Clock;
  /** Aborted by SIGINT and SIGTERM; a command undoes what it began and throws. */
  readonly signal: AbortSignal;
  /** The version of this program. */
  readonly version: string;
  /** Reads standard input to its end; only for commands that take one. */
  readonly readInput: () => Promise<Uint8Array>;
  /** Places off this host, by the value of `upload`; a place that this face does not have is absent. */
  readonly destinations: Readonly<Partial<Record<"artifact", Destination>>>;
}

/**
 * One use case. Outcomes that are not good are either a result (`damaged`, `failed`) or a thrown
 * KeeperError; anything else that is thrown is a bug.
 */
export type Command = (options: Options, dependencies: Dependencies) => Promise<Result>;

/** The commands of a build. */
export type Commands = Readonly<Partial<Record<CommandName, Command>>>;

/** The names of the commands of a build, in the order of the contract. */
export function offeredCommands(commands: Commands): CommandName[] {
  return commandNames.filter((name) => commands[name] !== undefined);
}
