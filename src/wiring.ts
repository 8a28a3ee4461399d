import type { Commands } from "./commands/command.ts";
import { scanLog } from "./commands/scan-log.ts";

/** The commands of this build: one line each. What is not here appears in no help and no action.yml. */
export const commands: Commands = {
  "scan-log": async (options, dependencies) => {
    const { state, logAllow: allow, logDeny: deny } = options;
    const rules = { allow, deny, ...(state === undefined ? {} : { state }) };
    return scanLog(await dependencies.readInput(), rules, dependencies);
  },
};
