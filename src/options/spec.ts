import type { CommandName } from "./command-names.ts";

/** How the text of an input is read; see `values.ts`. */
export type InputKind =
  | "text"
  | "path"
  | "paths"
  | "list"
  | "lines"
  | "flag"
  | "choice"
  | "integer"
  | "duration"
  | "url"
  | "images"
  | "recipients"
  | "identities"
  | "secret";

/** One input: a flag of the command line and an input of the action by the same name. */
export interface InputSpec {
  readonly kind: InputKind;
  /** The commands it means something to. */
  readonly commands: readonly CommandName[];
  /** One sentence or two for help, README and action.yml. */
  readonly about: string;
  /** What the help of the command line says instead, where it takes something else than a workflow does. */
  readonly aboutFlag?: string;
  /** As it would be typed; absent: the input may be left out and is `undefined` (or empty). */
  readonly default?: string;
  readonly choices?: readonly string[];
  /** Least value of an integer. */
  readonly min?: number;
  /** Greatest value of an integer. */
  readonly max?: number;
  /** The environment variable that stands in for the flag on the command line. */
  readonly environment?: string;
  /** Only a flag, only an input of the action; default both. */
  readonly face?: "cli" | "action";
  /** Relative paths start at `project-directory` where it is given, like in a compose file. */
  readonly inProject?: true;
}
