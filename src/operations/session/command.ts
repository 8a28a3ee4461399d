import type { Clock } from "../../core/clock.ts";
import type { Reporter } from "../../core/reporter.ts";
import type { FileDestination } from "../../destinations/destination.ts";
import type { Result } from "../../model/result.ts";
import { type CommandName, commandNames } from "../../options/command-names.ts";
import type { Options } from "../../options/parse.ts";

/** What the composition root gives every command. */
export interface Dependencies {
  readonly reporter: Reporter;
  readonly clock: Clock;
  /** Aborted by SIGINT and SIGTERM. The command then undoes its changes and throws. */
  readonly signal: AbortSignal;
  /** The version of this program. */
  readonly version: string;
  /** Reads standard input to its end. Only for commands that use standard input. */
  readonly readInput: () => Promise<Uint8Array>;
  /**
   * Asks whoever is at the terminal a yes-or-no question; `usual` is the answer of somebody who only presses Enter. Undefined if
   * nobody is there. Rejects when the run is cancelled.
   */
  readonly ask?: ((text: string, usual: boolean) => Promise<boolean>) | undefined;
  /** Services of the workflow that store a backup as one file, by the value of `upload`. The command line has none. */
  readonly destinations: Readonly<Partial<Record<"artifact" | "cache", FileDestination>>>;
}

/**
 * One use case. A bad outcome is either a result (`damaged`, `failed`) or a thrown KeeperError. Any other error is a
 * bug.
 */
export type Command = (options: Options, dependencies: Dependencies) => Promise<Result>;

/** The commands of a build. */
export type Commands = Readonly<Partial<Record<CommandName, Command>>>;

/** The command names of a build, in the documented order. */
export function offeredCommands(commands: Commands): CommandName[] {
  return commandNames.filter((name) => commands[name] !== undefined);
}
