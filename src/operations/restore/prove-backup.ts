import { randomBytes } from "node:crypto";
import type { Check, Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import {
  failureOf,
  record,
  type Verification,
  verdictOf,
  verifyLevelsOf,
} from "../verify/levels.ts";

/** A backup of sophon-keeper to restore. */
export interface ChosenBackup {
  readonly found: FoundBackup;
  readonly source: SourceOptions;
}

/** The result of a restore, without the facts about the backup and the duration. */
export type Outcome = Pick<Result, "result" | "checks"> & { readonly [member: string]: unknown };

/** Combines a backup with the keys from the options. */
export function chosenBackup(
  found: FoundBackup,
  { identity, passphrase }: Pick<Options, "identity" | "passphrase">,
): ChosenBackup {
  return { found, source: { directory: found.directory, identities: identity, passphrase } };
}

/** Verifies a backup before the restore changes anything, and records the result. */
export async function proveBackup(
  { found, source }: ChosenBackup,
  dependencies: HostDependencies,
  level: "checksum" | "contents",
): Promise<Verification> {
  const operationId = `restore-${randomBytes(4).toString("hex")}`;
  const checkRestore = async () => [];
  const proof = await verifyLevelsOf(
    { found, level, source, operationId, checkRestore },
    dependencies,
  );
  const warning = await record(found, proof, dependencies);
  if (warning !== undefined) dependencies.reporter.warning(warning);
  return proof;
}

/** The result of a restore that did not begin, because the backup is damaged or unverifiable. */
export function unproven(checks: readonly Check[]): Outcome {
  const result = verdictOf(checks) === "damaged" ? "damaged" : "unverifiable";
  return { result, checks, reason: { class: result, message: failureOf(checks) } };
}
