import { backup } from "../commands/backup.ts";
import { diff } from "../commands/diff.ts";
import { doctor } from "../commands/doctor.ts";
import { find } from "../commands/find.ts";
import { init } from "../commands/init.ts";
import { list } from "../commands/list.ts";
import { ls } from "../commands/ls.ts";
import { prune } from "../commands/prune.ts";
import { recover } from "../commands/recover.ts";
import { report } from "../commands/report.ts";
import { restore } from "../commands/restore.ts";
import { scanLog } from "../commands/scan-log.ts";
import { undo } from "../commands/undo-last-restore.ts";
import { upgradeTest } from "../commands/upgrade-test.ts";
import { upload } from "../commands/upload.ts";
import { verify } from "../commands/verify.ts";
import { removeDead } from "../core/temp.ts";
import type { Result } from "../model/result.ts";
import type { Command, Commands } from "../operations/session/command.ts";
import { removeDeadClones } from "../operations/session/dead-clones.ts";
import type { HostDependencies } from "../operations/session/dependencies.ts";
import { remembering } from "../operations/session/remembering.ts";
import type { Options } from "../options/parse.ts";
import { createHost, requirePathsOfHost } from "./host.ts";
import { recoveries } from "./recoveries.ts";

/** The commands of this build: one line each. What is not here appears in no help and no action.yml. */
export const commands: Commands = {
  backup: onHost(backup),
  init: onHost(init),
  doctor: onHost(doctor),
  list: onHost(list),
  ls: onHost(ls),
  find: onHost(find),
  diff: onHost(diff),
  prune: onHost(prune),
  recover: onHost(recover),
  report: onHost(report),
  restore: onHost(restore),
  undo: onHost(undo),
  upload: onHost(upload),
  verify: onHost(verify),
  "upgrade-test": onHost(upgradeTest),
  "scan-log": async (options, dependencies) => {
    await removeDead();
    const { state, logAllow: allow, logDeny: deny } = options;
    const rules = { allow, deny, ...(state === undefined ? {} : { state }) };
    return scanLog(await dependencies.readInput(), rules, dependencies);
  },
};

function onHost(command: (options: Options, deps: HostDependencies) => Promise<Result>): Command {
  const whole = remembering(command);
  return async (options, dependencies) => {
    const given = { ...dependencies, host: createHost(), recoveries };
    await requirePathsOfHost(given.host, options);
    // A killed verification holds no lock and has no journal, but leaves clear text and perhaps a clone.
    if (await removeDead()) await removeDeadClones(given);
    return await whole(options, given);
  };
}
