import { RefusedError } from "../core/errors.ts";
import { type Commands, offeredCommands } from "../operations/session/command.ts";
import type { CommandName } from "../options/command-names.ts";
import type { RawInputs } from "../options/input-files.ts";
import { type InputName, inputSpec, inputsOf, isInputName } from "../options/inputs.ts";
import { otherNames } from "../options/names.ts";
import { nearest } from "../options/suggest.ts";

/** The inputs from the step's `with:`. */
interface StepInputs {
  readonly command: CommandName;
  readonly raw: RawInputs;
  /** Unknown inputs that do not resemble any known input. */
  readonly unknown: readonly string[];
}

/** The commands that are a `mode` of the action: all except `init`, `scan-log`, `ls`, `find`, `diff` and `doctor`, which are for a person at a terminal. */
export function offeredModes(commands: Commands): CommandName[] {
  return offeredCommands(commands).filter(
    (name) => !["init", "scan-log", "ls", "find", "diff", "doctor"].includes(name),
  );
}

/** The inputs of the action for the given modes, without `mode` itself. */
export function actionInputs(modes: readonly CommandName[]): ReturnType<typeof inputsOf> {
  return inputsOf(modes).filter(([, spec]) => spec.face !== "cli");
}

/**
 * Reads the step's inputs from the variables that the runner sets (`INPUT_PROJECT-DIRECTORY`).
 *
 * @throws RefusedError for an unknown mode, and for an input that is misspelt or has another name. The runner would only
 * warn, and a misspelt `recipients` would result in a backup without encryption.
 */
export function readInputs(
  environment: Readonly<Record<string, string | undefined>>,
  commands: Commands,
): StepInputs {
  const modes = offeredModes(commands);
  const known = actionInputs(modes).map(([name]) => name);
  const raw: Partial<Record<InputName, string>> = {};
  const empty: InputName[] = [];
  const unknown: string[] = [];
  let mode = "";
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith("INPUT_") || value === undefined) continue;
    const name = variable.slice("INPUT_".length).toLowerCase();
    if (value.trim() === "") {
      if (isInputName(name) && known.includes(name)) empty.push(name);
    } else if (name === "mode") mode = value.trim();
    else if (isInputName(name) && known.includes(name)) raw[name] = value;
    else unknown.push(refuseMisspelt(name, known));
  }
  const command = modes.find((candidate) => candidate === mode);
  if (command !== undefined) {
    for (const name of empty) refuseEmpty(name, command);
    return { command, raw, unknown };
  }
  const near = nearest(mode, modes);
  const fix = near === undefined ? `write one of ${modes.join(", ")}` : `did you mean ${near}?`;
  throw new RefusedError(`mode is "${mode}": ${fix}`, { class: "usage" });
}

/**
 * Refuses an empty input whose default would do something else than was asked: restore the live stack instead of into a
 * directory, or the newest backup instead of a certain one. The runner fills in a default only if an input is omitted.
 */
function refuseEmpty(name: InputName, command: CommandName): void {
  const spec = inputSpec(name);
  if (!["target", "backup"].includes(name) || !spec.commands.includes(command)) return;
  throw new RefusedError(
    `${name} is given but empty: give a value, or leave it out for ${spec.default}`,
    { class: "input" },
  );
}

/** Returns the name if it resembles no input: it may be a variable of the job, not an input. */
function refuseMisspelt(name: string, known: readonly InputName[]): string {
  const other = otherNames[name];
  const near = other ?? nearest(name, [...known, "mode"]);
  if (near === undefined) return name;
  const fix = other === undefined ? `did you mean ${near}?` : `it is called ${near}`;
  throw new RefusedError(`unknown input ${name}: ${fix}`, { class: "usage" });
}
