import type { Commands } from "./commands/command.ts";

/** The commands of this build: one line each. What is not here appears in no help and no action.yml. */
export const commands: Commands = {};
