import { randomBytes } from "node:crypto";
import { RefusedError } from "../core/errors.ts";
import { formatSeconds } from "../core/format.ts";
import { reaches } from "../model/marks.ts";
import type { Reason, Result } from "../model/result.ts";
import { isDatedInFuture } from "../model/retention.ts";
import { type ExamineHost, handMadeAt } from "../operations/manual/read-set.ts";
import type { HandMadeScratchHost } from "../operations/manual/test-restore.ts";
import { verifyHandMade } from "../operations/manual/verify.ts";
import type { Dependencies } from "../operations/session/command.ts";
import type { Host } from "../operations/session/host.ts";
import { type FoundBackup, findBackup, listBackups } from "../operations/verify/find-backup.ts";
import {
  failureOf,
  record,
  type Verification,
  verifyLevelsOf,
} from "../operations/verify/levels.ts";
import { type ScratchHost, testRestore } from "../operations/verify/test-restore.ts";
import type { Options } from "../options/parse.ts";

/** What `verify` needs of the host. The level `checksum` of a given repository or path needs none of it. */
type VerifyHost = Pick<Host, "project"> & ScratchHost & ExamineHost & HandMadeScratchHost;

/**
 * Proves a backup at one of three levels, each including the one before.
 *
 * `verified` means that every check was made and passed; `damaged` that one failed; `unverifiable` that one could
 * not be made; `stale` that it passed, but nothing young enough is verified.
 *
 * @throws RefusedError when there is no such backup, CancelledError when it is cut off.
 */
export async function verify(
  options: Options,
  dependencies: Dependencies & { readonly host: VerifyHost },
): Promise<Result> {
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
    const reason = { class: "stale", message: `${error.message}, and one was to be there` };
    return { result: "stale", seconds: seconds(), checks: [], reason };
  }
  const operationId = `verify-${randomBytes(4).toString("hex")}`;
  const verification = await verifyLevelsOf(
    {
      ...{ found, level: options.level, operationId },
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

function isMissing(error: unknown): error is RefusedError {
  return error instanceof RefusedError && error.class === "no-backup";
}

/** A schedule that silently stopped leaves old backups that still verify. */
async function staleness(
  found: FoundBackup,
  { manifest }: Verification,
  options: Options,
  { clock }: Dependencies,
): Promise<Reason | undefined> {
  if (options.maxAgeMs === undefined || manifest === undefined) return undefined;
  const verified = found.repository === undefined ? [] : await listBackups(found.repository);
  const now = clock.now();
  const times = verified
    .filter(({ marks }) => reaches(marks?.level ?? null, options.level))
    .map((backup) => new Date(backup.manifest?.createdAt ?? manifest.createdAt))
    .concat(new Date(manifest.createdAt))
    .filter((time) => !isDatedInFuture(time, now))
    .map((time) => time.getTime());
  const ageMs = now.getTime() - Math.max(...times);
  if (ageMs <= options.maxAgeMs) return undefined;
  const how = times.length === 0 ? "dated in the future" : `${formatSeconds(ageMs / 1000)} old`;
  return {
    class: "stale",
    message: `the newest backup verified at level ${options.level} is ${how}; max-age is ${formatSeconds(options.maxAgeMs / 1000)}`,
    hint: "look at why the schedule made no newer one",
  };
}

function reasonOf({ verdict, checks }: Verification): Reason | undefined {
  if (verdict === "verified") return undefined;
  const hint =
    verdict === "damaged"
      ? "take another backup now; `sophon-keeper list` shows the others of this host"
      : "nothing is known to be wrong: make what is missing available and verify again";
  return { class: verdict, message: failureOf(checks), hint };
}
