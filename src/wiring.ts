import { backup } from "./commands/backup.ts";
import type { Command, Commands, Dependencies } from "./commands/command.ts";
import type { Host } from "./commands/host.ts";
import { list } from "./commands/list.ts";
import { prune } from "./commands/prune.ts";
import { recover } from "./commands/recover.ts";
import { restore } from "./commands/restore.ts";
import { scanLog } from "./commands/scan-log.ts";
import { upgradeTest } from "./commands/upgrade-test.ts";
import { verify } from "./commands/verify.ts";
import type { Result } from "./model/result.ts";
import type { Options } from "./options.ts";
import { createHost } from "./wiring/host.ts";

/** The commands of this build: one line each. What is not here appears in no help and no action.yml. */
export const commands: Commands = {
  backup: onHost(backup),
  list: onHost(list),
  prune: onHost(prune),
  recover: onHost(recover),
  restore: onHost(restore),
  verify: onHost(verify),
  "upgrade-test": onHost(upgradeTest),
  "scan-log": async (options, dependencies) => {
    const { state, logAllow: allow, logDeny: deny } = options;
    const rules = { allow, deny, ...(state === undefined ? {} : { state }) };
    return scanLog(await dependencies.readInput(), rules, dependencies);
  },
};

function onHost(
  command: (options: Options, deps: Dependencies & { readonly host: Host }) => Promise<Result>,
): Command {
  return (options, dependencies) => command(options, { ...dependencies, host: createHost() });
}
