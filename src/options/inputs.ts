import type { CommandName } from "./command-names.ts";
import { backupInputs } from "./inputs-backup.ts";
import { outputInputs } from "./inputs-output.ts";
import { restoreInputs } from "./inputs-restore.ts";
import { stackInputs } from "./inputs-stack.ts";
import { upgradeInputs } from "./inputs-upgrade.ts";
import { uploadInputs } from "./inputs-upload.ts";
import type { InputSpec } from "./spec.ts";

/** Every input, declared once. Flags, help, action.yml, README and {@link Options} are derived from this table. */
export const inputs = {
  ...stackInputs,
  ...backupInputs,
  ...uploadInputs,
  ...restoreInputs,
  ...upgradeInputs,
  ...outputInputs,
} as const;

/** The name of an input, as the user types it. */
export type InputName = keyof typeof inputs;

/** The inputs that at least one of the given commands uses, in the order of the table. */
export function inputsOf(commands: readonly CommandName[]): readonly [InputName, InputSpec][] {
  const all = Object.entries(inputs) as [InputName, InputSpec][];
  return all.filter(([, spec]) => spec.commands.some((command) => commands.includes(command)));
}

/** The declaration of one input. */
export function inputSpec(name: InputName): InputSpec {
  return inputs[name];
}

/** Whether a word is the name of an input. */
export function isInputName(word: string): word is InputName {
  return Object.hasOwn(inputs, word);
}
