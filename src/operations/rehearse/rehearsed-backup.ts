import { DamagedError, UnverifiableError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Check, Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { originOf } from "../../repository/origin.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { type BackedUpStore, storesOf } from "../fill/backed-up-store.ts";
import { openStackSource, type StackSource } from "../fill/stack-source.ts";
import { trustedSigners } from "../session/sign-key.ts";
import type { FoundBackup } from "../verify/find-backup.ts";
import { failureOf, record, verifyLevelsOf } from "../verify/levels.ts";
import { checkSealed } from "../verify/sealed-manifest.ts";
import { chooseBackup } from "./choose-backup.ts";
import type { TrialDependencies } from "./trial.ts";

/** A backup that a rehearsal tries new images on. */
export interface RehearsedBackup {
  readonly found: FoundBackup;
  /**
   * Reads what the rehearsal begins with, and checks what can be checked without restoring it.
   *
   * @param note - takes what the result tells, also if this throws
   * @throws KeeperError (`damaged`, `unverifiable`) that says what is wrong with the backup; RefusedError.
   */
  read(operationId: string, note: (facts: Partial<Result>) => void): Promise<BackupRead>;
}

/** A backup as the phases of a rehearsal use it. */
interface BackupRead {
  readonly manifest: Manifest;
  /** Empty for files that have no manifest. */
  readonly manifestSha256: string;
  readonly source: SourceOptions;
  readonly stores: readonly BackedUpStore[];
  /** Opens the definition of the stack that the backup is of, and its files. */
  openStack(): Promise<StackSource>;
}

/**
 * The backup of this tool that `backup` names.
 *
 * @throws RefusedError (class `no-backup`) if there is none.
 */
export async function ownBackup(
  options: Options,
  dependencies: TrialDependencies,
): Promise<RehearsedBackup> {
  const found = await chooseBackup(options, dependencies);
  const { signal } = dependencies;
  const { identity: identities, passphrase } = options;
  const source = { directory: found.directory, identities, passphrase };
  return {
    found,
    read: async (operationId, note) => {
      note({ backupId: found.id, path: found.directory });
      const request = { found, source, operationId };
      const { manifest, manifestSha256 } = await checked(request, dependencies, (checks) =>
        note({ checks }),
      );
      await requireOrigin(found, options, dependencies);
      const openStack = () => openStackSource(manifest, source, signal);
      return { manifest, manifestSha256, source, stores: storesOf(manifest), openStack };
    },
  };
}

/**
 * Reads the manifest and compares every checksum.
 *
 * @param note - takes the checks of a backup that cannot be used
 * @throws KeeperError that says what is wrong with the backup.
 */
async function checked(
  given: {
    readonly found: FoundBackup;
    readonly source: SourceOptions;
    readonly operationId: string;
  },
  dependencies: TrialDependencies,
  note: (checks: readonly Check[]) => void,
): Promise<{ readonly manifest: Manifest; readonly manifestSha256: string }> {
  const { found, source } = given;
  const request = { ...given, level: "checksum", checkRestore: async () => [] } as const;
  const verification = await verifyLevelsOf(request, dependencies);
  const { manifest, manifestSha256 = "", verdict, checks } = verification;
  const warning = await record(found, verification, dependencies);
  if (warning !== undefined) dependencies.reporter.warning(warning);
  const sealed =
    manifest === undefined ? [] : [await checkSealed(source, manifest, dependencies.signal)];
  const bad = sealed.find(({ status }) => status !== "pass");
  if (manifest !== undefined && verdict === "verified" && bad === undefined) {
    return { manifest, manifestSha256 };
  }
  note([...checks, ...sealed]);
  const isDamaged = verdict === "damaged" || bad?.status === "fail";
  const why = failureOf(verdict === "verified" ? sealed : checks);
  const hint =
    bad?.status === "unverifiable"
      ? "A pull request of Dependabot sees only the secrets of Dependabot: add the identity there, too."
      : "`sophon-keeper list` shows the other backups of this host.";
  if (isDamaged) throw new DamagedError(`the backup is damaged: ${why}`, { hint });
  throw new UnverifiableError(`the backup cannot be read: ${why}`, { hint });
}

/**
 * If `trusted-signers` are given, one of them has to have signed the backup: recipients are public, so anybody can encrypt a
 * forgery. That a signature is valid was checked with the checksums.
 *
 * @throws UnverifiableError (class `unknown-origin`).
 */
async function requireOrigin(
  { id, directory }: FoundBackup,
  options: Options,
  { reporter }: Pick<TrialDependencies, "reporter">,
): Promise<void> {
  const origin = await originOf(directory, await trustedSigners(options));
  if (origin.known) return reporter.info(`signed with ${origin.signer}, which is trusted here`);
  if (options.trustedSigners.length === 0) return reporter.info(`unknown origin: ${origin.why}`);
  throw new UnverifiableError(`backup: ${id} is of unknown origin: ${origin.why}`, {
    class: "unknown-origin",
    hint: "Give trusted-signers with the public key of the host that made it (its sign-key.pub).",
  });
}
