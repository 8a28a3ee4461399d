import { describeError } from "../../core/errors.ts";
import { isBackupId } from "../../model/backup-id.ts";
import type { Manifest } from "../../model/manifest.ts";
import { marked, revoked, type VerifyLevel, verifyLevels } from "../../model/marks.ts";
import type { Check } from "../../model/result.ts";
import { checkChecksums } from "../../repository/checksum.ts";
import { type Origin, originOf } from "../../repository/origin.ts";
import { revokeChain } from "../../repository/revoke-chain.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { Dependencies } from "../session/command.ts";
import { type ContentsHost, checkContents } from "./contents.ts";
import type { FoundBackup } from "./find-backup.ts";
import { isEncrypted } from "./sealed-manifest.ts";

/** The result of a verification. */
export interface Verification {
  readonly checks: readonly Check[];
  /** Undefined if it cannot be read. */
  readonly manifest: Manifest | undefined;
  readonly manifestSha256: string | undefined;
  /** The highest level at which every check passed. */
  readonly reached: VerifyLevel | undefined;
  readonly verdict: "verified" | "damaged" | "unverifiable";
  readonly unknown: readonly string[];
  /** The backups without which this one cannot be read and that are damaged. */
  readonly damagedAncestors: readonly string[];
}

/** The checks of the level `restore`, provided by callers that can create a scratch project. */
type RestoreCheck = (manifest: Manifest, source: SourceOptions) => Promise<readonly Check[]>;

/** The input of a verification. */
interface VerifyRequest {
  readonly found: FoundBackup;
  readonly level: VerifyLevel;
  readonly source: SourceOptions;
  readonly operationId: string;
  readonly checkRestore: RestoreCheck;
  /** The public keys whose signatures are trusted, and whether one of them must have signed. Default: the origin is not judged. */
  readonly signers?: { readonly trusted: readonly string[]; readonly demanded: boolean };
}

/**
 * Checks a backup level by level up to the requested one, and stops at the first failed level: a damaged manifest says
 * nothing reliable about its components.
 *
 * @throws the reason of the signal if it is aborted; never for the backup itself.
 */
export async function verifyLevelsOf(
  request: VerifyRequest,
  dependencies: Dependencies & { readonly host: ContentsHost },
): Promise<Verification> {
  const { found, source, operationId } = request;
  const { reporter, signal } = dependencies;
  const first = await reporter.group("Compare checksums", async () => {
    const { checks, manifest, manifestSha256, damagedAncestors } = await checkChecksums(
      found.directory,
      {
        signal,
      },
    );
    const own = await checkIdentity(found, manifest, manifestSha256);
    const { trusted, demanded } = request.signers ?? { trusted: [], demanded: false };
    const origin = await originOf(found.directory, trusted);
    const demand = demanded && manifest !== undefined ? [checkOrigin(origin)] : [];
    return {
      checks: [...checks, ...own, ...demand],
      manifest,
      manifestSha256,
      damagedAncestors,
      origin,
    };
  });
  const checks = [...first.checks];
  const { manifest } = first;
  let reached: VerifyLevel | undefined = passed(checks) ? "checksum" : undefined;
  const next: Record<Exclude<VerifyLevel, "checksum">, () => Promise<readonly Check[]>> = {
    contents: () =>
      reporter.group("Read the contents", () =>
        checkContents(source, manifest as Manifest, operationId, dependencies),
      ),
    restore: () => request.checkRestore(manifest as Manifest, source),
  };
  for (const level of ["contents", "restore"] as const) {
    if (manifest === undefined || reached === undefined) break;
    if (verifyLevels.indexOf(level) > verifyLevels.indexOf(request.level)) break;
    const found = await next[level]();
    checks.push(...found);
    if (!passed(found)) break;
    reached = level;
  }
  return {
    ...{ checks, manifest, manifestSha256: first.manifestSha256, reached },
    verdict: verdictOf(checks),
    unknown: unknownOf(manifest, first.origin),
    damagedAncestors: first.damagedAncestors,
  };
}

/** A failed check outweighs an unverifiable one. Without any check the backup is unverifiable. */
export function verdictOf(checks: readonly Check[]): Verification["verdict"] {
  if (checks.some(({ status }) => status === "fail")) return "damaged";
  return passed(checks) ? "verified" : "unverifiable";
}

/**
 * Records the result: damage revokes every mark, also of the backups that are made from the damaged one, and the reached
 * level is marked. An unverifiable level changes no marks of higher levels.
 *
 * @returns a warning if the marks cannot be written.
 */
export async function record(
  found: FoundBackup,
  verification: Verification,
  { clock, version }: Pick<Dependencies, "clock" | "version">,
): Promise<string | undefined> {
  const { repository, id } = found;
  const { manifestSha256, reached, verdict, checks } = verification;
  if (repository === undefined) return undefined;
  const at = clock.now().toISOString();
  const before = await repository.marksOf(id);
  // The first checksum stays: a changed manifest must never pass for the original one.
  const sha256 = before?.manifestSha256 ?? manifestSha256;
  if (sha256 === undefined) return undefined;
  try {
    if (verdict === "damaged") {
      const { damagedAncestors: ancestors } = verification;
      await repository.mark(id, revoked(before, sha256, failureOf(checks), at, version));
      for (const damaged of ancestors.length === 0 ? [id] : ancestors) {
        await revokeChain(repository, damaged, failureOf(checks), clock.now(), version);
      }
    } else if (reached !== undefined) {
      await repository.mark(id, marked(before, sha256, reached, at, version));
    }
    return undefined;
  } catch (error) {
    return `the marks of ${id} could not be written: ${describeError(error)}`;
  }
}

/** Describes the first failed check. */
export function failureOf(checks: readonly Check[]): string {
  const check =
    checks.find(({ status }) => status === "fail") ??
    checks.find(({ status }) => status === "unverifiable");
  if (check === undefined) return "nothing was checked";
  const of = check.component === undefined ? "" : `${check.component}: `;
  // What a program said may have several lines.
  return `${of}${check.name}: ${check.detail.trim().replaceAll(/\s*\n\s*/g, "; ")}`;
}

/** Checks that the manifest belongs to this directory and equals the one that this repository marked before. */
async function checkIdentity(
  { id, repository }: FoundBackup,
  manifest: Manifest | undefined,
  manifestSha256: string | undefined,
): Promise<Check[]> {
  if (manifest === undefined) return [];
  const subject = { name: "identity" };
  if (isBackupId(id) && manifest.id !== id) {
    return [{ ...subject, status: "fail", detail: `the manifest belongs to ${manifest.id}` }];
  }
  const marks = await repository?.marksOf(id);
  if (marks !== undefined && marks.manifestSha256 !== manifestSha256) {
    const detail = "the manifest has changed since this repository first marked it";
    return [{ ...subject, status: "fail", detail }];
  }
  return [{ ...subject, status: "pass", detail: manifest.id }];
}

function checkOrigin(origin: Origin): Check {
  return origin.known
    ? { name: "origin", status: "pass", detail: `signed with ${origin.signer}` }
    : { name: "origin", status: "unverifiable", detail: `unknown origin: ${origin.why}` };
}

function unknownOf(manifest: Manifest | undefined, origin: Origin): string[] {
  if (manifest === undefined || origin.known) return [];
  const unknown = `unknown origin: ${origin.why}`;
  if (isEncrypted(manifest)) return [unknown];
  const change = "a file changed together with its checksum cannot be detected";
  return [`the backup is not encrypted: ${change}; ${unknown}`];
}

function passed(checks: readonly Check[]): boolean {
  return checks.length > 0 && checks.every(({ status }) => status === "pass");
}
