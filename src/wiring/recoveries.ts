import { recoverBackup } from "../operations/backup/recover.ts";
import { recoverRestore } from "../operations/restore/undo-restore.ts";
import type { Recoveries } from "../operations/session/dependencies.ts";
import { forget } from "../operations/session/recovery.ts";
import { recoverUpgrade } from "../operations/upgrade/recover.ts";

/** The recovery of each unfinished operation. The keys are in journals on disk and never change. */
export const recoveries: Recoveries = {
  backup: recoverBackup,
  restore: recoverRestore,
  "upgrade-test": recoverUpgrade,
  prune: forget,
  recover: forget,
};
