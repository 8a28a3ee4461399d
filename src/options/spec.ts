import type { CommandName } from "./command-names.ts";

/** How the text of an input is parsed; see `values.ts`. */
export type InputKind =
  | "text"
  | "path"
  | "paths"
  | "list"
  | "lines"
  | "flag"
  | "choice"
  | "choices"
  | "integer"
  | "duration"
  | "url"
  | "images"
  | "candidates"
  | "modes"
  | "recipients"
  | "identities"
  | "signers"
  | "secret"
  | "addresses"
  | "items";

/** One input: a flag of the command line and an input of the action with the same name. */
export interface InputSpec {
  readonly kind: InputKind;
  /** The commands that use this input. */
  readonly commands: readonly CommandName[];
  /** One sentence or two for help, README and action.yml. */
  readonly about: string;
  /** Text for the help of the command line, if the command line accepts other values than a workflow. */
  readonly aboutFlag?: string;
  /** The default, as the user would type it. Without a default, an omitted input is `undefined` (or empty). */
  readonly default?: string;
  /** The default in action.yml, an expression that the runner evaluates. */
  readonly actionDefault?: string;
  /** For `choice` one of them, for `choices` any of them but `none`. */
  readonly choices?: readonly string[];
  /** Those of the choices that only a step of the action has. */
  readonly actionChoices?: readonly string[];
  /** Minimum of an integer. */
  readonly min?: number;
  /** Maximum of an integer. */
  readonly max?: number;
  /** Maximum of a duration, as the user would type it. Default: 100 years. */
  readonly longest?: string;
  /** The environment variable that replaces the flag on the command line. */
  readonly environment?: string;
  /** `cli`: only a flag; `action`: only an input of the action. Default: both. */
  readonly face?: "cli" | "action";
  /** Relative paths are resolved against `project-directory` if it is given, as in a Compose file. */
  readonly inProject?: true;
  /**
   * What must be the host's when the program runs in its own container: `itself` is the default of a path, `around` is the
   * directory that holds it, `nothing` is for a file that only the program reads.
   */
  readonly ofHost?: "itself" | "around" | "nothing";
}
