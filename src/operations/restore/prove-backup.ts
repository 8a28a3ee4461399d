import { randomBytes } from "node:crypto";
import { RefusedError } from "../../core/errors.ts";
import type { Check, Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { originOf } from "../../repository/origin.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { HostDependencies } from "../session/dependencies.ts";
import { trustedSigners } from "../session/sign-key.ts";
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

/**
 * The backup with what its origin allows.
 *
 * @returns the outcome instead, if the backup is damaged: that is worse than an unknown origin.
 * @throws RefusedError (class `unknown-origin`) for a backup that nobody trusted has signed, unless `allow-unsigned` is given.
 */
export async function ofKnownOrigin(
  backup: ChosenBackup,
  options: Options,
  dependencies: HostDependencies,
): Promise<ChosenBackup | Outcome> {
  const { found, source } = backup;
  const origin = await originOf(found.directory, await trustedSigners(options));
  if (origin.known) {
    dependencies.reporter.info(`signed with ${origin.signer}, which is trusted here`);
    return backup;
  }
  if (!options.allowUnsigned) {
    const proof = await proveBackup(backup, dependencies, "checksum");
    if (proof.verdict === "damaged") return unproven(proof.checks);
    throw new RefusedError(`backup: ${found.id} is of unknown origin: ${origin.why}`, {
      class: "unknown-origin",
      hint: "give trusted-signers with the public key of the host that made it (its sign-key.pub), or allow-unsigned if you know where it comes from",
    });
  }
  dependencies.reporter.warning(`${found.id} is of unknown origin: ${origin.why}`);
  return { found, source: { ...source, untrusted: !options.allowHostAccess } };
}

/** Whether a restore has ended before it began. */
export function isOutcome(one: ChosenBackup | Outcome): one is Outcome {
  return "result" in one;
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
    // The origin is judged by itself: ofKnownOrigin.
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
