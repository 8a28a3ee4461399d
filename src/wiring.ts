import type { Commands } from "./commands/command.ts";
import { scanLog } from "./commands/scan-log.ts";
import type { NamedTask } from "./core/task.ts";
import { lookTask } from "./stack/look.ts";
import { placeRdb } from "./stores/redis-place.ts";

/** The commands of this build: one line each. What is not here appears in no help and no action.yml. */
export const commands: Commands = {
  "scan-log": async (options, dependencies) => {
    const { state, logAllow: allow, logDeny: deny } = options;
    const rules = { allow, deny, ...(state === undefined ? {} : { state }) };
    return scanLog(await dependencies.readInput(), rules, dependencies);
  },
};

/** Every task that a helper container can be asked to run. */
export const tasks: readonly NamedTask<never, unknown>[] = [lookTask, placeRdb];
