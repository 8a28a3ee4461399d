import { randomBytes } from "node:crypto";
import { RefusedError } from "../core/errors.ts";
import { formatSeconds } from "../core/format.ts";
import { timeOfBackup } from "../model/backup-id.ts";
import { reaches } from "../model/marks.ts";
import type { Reason, Result } from "../model/result.ts";
import { isDatedInFuture } from "../model/retention.ts";
import { type ExamineHost, handMadeAt } from "../operations/manual/read-set.ts";
import type { HandMadeScratchHost } from "../operations/manual/test-restore.ts";
import { verifyHandMade } from "../operations/manual/verify.ts";
import { type FoundRemote, findRemote } from "../operations/off-host/find-remote.ts";
import { isRemoteAddress } from "../operations/off-host/remotes.ts";
import { checkRemote, withLocalCopy } from "../operations/off-host/verify-remote.ts";
import type { Dependencies } from "../operations/session/command.ts";
import { hold } from "../operations/session/hold.ts";
import type { Host } from "../operations/session/host.ts";
import { trustedSigners } from "../operations/session/sign-key.ts";
import { type FoundBackup, findBackup, listBackups } from "../operations/verify/find-backup.ts";
import {
  failureOf,
  record,
  type Verification,
  verdictOf,
  verifyLevelsOf,
} from "../operations/verify/levels.ts";
import { type ScratchHost, testRestore } from "../operations/verify/test-restore.ts";
import type { Options } from "../options/parse.ts";

/** What `verify` needs from the host. Level `checksum` with a given repository or path uses nothing from it. */
type VerifyHost = Pick<Host, "project"> & ScratchHost & ExamineHost & HandMadeScratchHost;

/**
 * Verifies a backup at one of three levels. Each level includes the one before.
 *
 * `verified`: every check was made and passed. `damaged`: a check failed. `unverifiable`: a check could not be made.
 * `stale`: the backup passed, but no verified backup is younger than the maximum age.
 *
 * @throws RefusedError when there is no such backup, CancelledError when cancelled.
 */
export async function verify(
  options: Options,
  dependencies: Dependencies & { readonly host: VerifyHost },
): Promise<Result> {
  if (isRemoteAddress(options.backup)) return await verifyRemote(options, dependencies);
  const handMade = await handMadeAt(options.backup);
  if (handMade !== undefined) return await verifyHandMade(handMade, options, dependencies);
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  let found: FoundBackup;
  try {
    found = await findBackup(options, dependencies);
  } catch (error) {
    if (options.maxAgeMs === undefined || !isMissing(error)) throw error;
    const reason = { class: "stale", message: `${error.message}, but max-age requires one` };
    return { result: "stale", seconds: seconds(), checks: [], reason };
  }
  const operationId = `verify-${randomBytes(4).toString("hex")}`;
  await using _held = await hold(found, operationId, dependencies);
  const verification = await verifyLevelsOf(
    {
      ...{ found, level: options.level, operationId },
      signers: {
        trusted: await trustedSigners(options),
        demanded: options.trustedSigners.length > 0,
      },
      source: {
        directory: found.directory,
        identities: options.identity,
        passphrase: options.passphrase,
      },
      checkRestore: (manifest, source) =>
        testRestore({ manifest, source, operationId, options }, dependencies),
    },
    dependencies,
  );
  const warning = await record(found, verification, dependencies);
  const stale =
    verification.verdict === "verified"
      ? await staleness(found, verification, options, dependencies)
      : undefined;
  const reason = stale ?? reasonOf(verification);
  return {
    result: stale === undefined ? verification.verdict : "stale",
    seconds: seconds(),
    backupId: verification.manifest?.id ?? found.id,
    path: found.directory,
    ...(verification.reached === undefined ? {} : { level: verification.reached }),
    checks: verification.checks,
    components: (verification.manifest?.components ?? []).map(
      ({ name, store, bytes, plainBytes }) => ({ name, store, bytes, plainBytes }),
    ),
    unknown: verification.unknown,
    warnings: warning === undefined ? [] : [warning],
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Verifies a backup off this host: by reading it there, or at the higher levels on a copy that is removed afterwards. */
async function verifyRemote(
  options: Options,
  dependencies: Dependencies & { readonly host: VerifyHost },
): Promise<Result> {
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  const seconds = () => (clock.monotonicMs() - begun) / 1000;
  let found: FoundRemote;
  try {
    found = await findRemote(options, dependencies);
  } catch (error) {
    if (options.maxAgeMs === undefined || !isMissing(error)) throw error;
    const reason = { class: "stale", message: `${error.message}, but max-age requires one` };
    return { result: "stale", seconds: seconds(), checks: [], reason };
  }
  const about = { backupId: found.backup.id, path: found.address };
  if (options.level !== "checksum") {
    return await withLocalCopy(found, options, dependencies, async (backup) => {
      const result = await verify({ ...options, backup }, dependencies);
      return { ...result, ...about, seconds: seconds() };
    });
  }
  const { checks, manifest, unknown } = await checkRemote(found, options, dependencies);
  const verdict = verdictOf(checks);
  const createdAt = manifest?.createdAt ?? timeOfBackup(about.backupId).toISOString();
  const stale =
    verdict === "verified" ? ageProblem([new Date(createdAt)], options, dependencies) : undefined;
  const reason = stale ?? reasonOf({ verdict, checks });
  return {
    result: stale === undefined ? verdict : "stale",
    ...{ seconds: seconds(), ...about, checks, unknown },
    ...(verdict === "verified" ? { level: "checksum" } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
}

function isMissing(error: unknown): error is RefusedError {
  return error instanceof RefusedError && error.class === "no-backup";
}

/** Finds a schedule that stopped silently: its old backups still verify. */
async function staleness(
  found: FoundBackup,
  { manifest }: Verification,
  options: Options,
  dependencies: Dependencies,
): Promise<Reason | undefined> {
  if (options.maxAgeMs === undefined || manifest === undefined) return undefined;
  const verified = found.repository === undefined ? [] : await listBackups(found.repository);
  const times = verified
    .filter(({ marks }) => reaches(marks?.level ?? null, options.level))
    .map((backup) => new Date(backup.manifest?.createdAt ?? manifest.createdAt))
    .concat(new Date(manifest.createdAt));
  return ageProblem(times, options, dependencies);
}

/** The reason for `stale`, if the newest of these backups is older than `max-age`. */
function ageProblem(
  created: readonly Date[],
  options: Options,
  { clock }: Pick<Dependencies, "clock">,
): Reason | undefined {
  if (options.maxAgeMs === undefined) return undefined;
  const now = clock.now();
  const times = created.filter((time) => !isDatedInFuture(time, now)).map((time) => time.getTime());
  const ageMs = now.getTime() - Math.max(...times);
  if (ageMs <= options.maxAgeMs) return undefined;
  const how = times.length === 0 ? "dated in the future" : `${formatSeconds(ageMs / 1000)} old`;
  return {
    class: "stale",
    message: `the newest backup verified at level ${options.level} is ${how}; max-age is ${formatSeconds(options.maxAgeMs / 1000)}`,
    hint: "find out why the schedule created no newer backup",
  };
}

function reasonOf({
  verdict,
  checks,
}: Pick<Verification, "verdict" | "checks">): Reason | undefined {
  if (verdict === "verified") return undefined;
  const hint =
    verdict === "damaged"
      ? "create a new backup now; `sophon-keeper list` shows the other backups of this host"
      : "nothing is known to be wrong: make what is missing available and verify again";
  return { class: verdict, message: failureOf(checks), hint };
}
