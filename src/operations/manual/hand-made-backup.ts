import { DamagedError, UnverifiableError } from "../../core/errors.ts";
import type { Options } from "../../options/parse.ts";
import type { RehearsedBackup } from "../rehearse/rehearsed-backup.ts";
import type { Dependencies } from "../session/command.ts";
import { failureOf, verdictOf } from "../verify/levels.ts";
import type { HandMadeSet } from "./find-files.ts";
import { type ExamineHost, examineSet, summaryOf } from "./read-set.ts";
import { type CurrentStackHost, setAsBackup, unknownImages } from "./set-as-backup.ts";

/**
 * A manual backup as a rehearsal uses it: read to the end first, as by a restore. It does not record what the stack was, so
 * the old images and the old definition are those of the stack on this host. It belongs to no repository: neither a record
 * nor its restored data is kept.
 */
export function handMadeBackup(
  set: HandMadeSet,
  options: Options,
  dependencies: Dependencies & { readonly host: ExamineHost & CurrentStackHost },
): RehearsedBackup {
  return {
    found: { id: set.path, directory: set.path, repository: undefined },
    read: async (operationId, note) => {
      note({ path: set.path });
      const examined = await examineSet(set, options, operationId, dependencies);
      const { checks, unknown } = summaryOf(set, examined);
      note({ unknown: [...unknown, unknownImages] });
      const verdict = verdictOf(checks);
      if (verdict !== "verified") {
        note({ checks });
        const message = `the files made by hand cannot be used: ${failureOf(checks)}`;
        throw verdict === "damaged" ? new DamagedError(message) : new UnverifiableError(message);
      }
      const given = { set, examined, options, operationId };
      const { missing, ...backup } = await setAsBackup(given, dependencies);
      if (missing.length === 0) return { ...backup, manifestSha256: "" };
      throw new UnverifiableError(
        `${set.path} does not contain what the application starts on: its ${missing.join(" and its ")}`,
        {
          class: "incomplete",
          hint: "put the files of all stores into one directory, or use backup: fresh",
        },
      );
    },
  };
}
