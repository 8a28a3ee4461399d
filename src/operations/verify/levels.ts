import { describeError } from "../../core/errors.ts";
import { isBackupId } from "../../model/backup-id.ts";
import type { Manifest } from "../../model/manifest.ts";
import { marked, revoked, type VerifyLevel, verifyLevels } from "../../model/marks.ts";
import type { Check } from "../../model/result.ts";
import { checkChecksums } from "../../repository/checksum.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import type { Dependencies } from "../session/command.ts";
import { type ContentsHost, checkContents } from "./contents.ts";
import type { FoundBackup } from "./find-backup.ts";
import { isEncrypted } from "./sealed-manifest.ts";

/** What a verification found out, level by level. */
export interface Verification {
  readonly checks: readonly Check[];
  /** Undefined when it cannot be read. */
  readonly manifest: Manifest | undefined;
  readonly manifestSha256: string | undefined;
  /** The highest level at which every check passed. */
  readonly reached: VerifyLevel | undefined;
  readonly verdict: "verified" | "damaged" | "unverifiable";
  readonly unknown: readonly string[];
}

/** What the level `restore` adds, given by who can make a scratch project. */
type RestoreCheck = (manifest: Manifest, source: SourceOptions) => Promise<readonly Check[]>;

/** What a verification is asked to do. */
interface VerifyRequest {
  readonly found: FoundBackup;
  readonly level: VerifyLevel;
  readonly source: SourceOptions;
  readonly operationId: string;
  readonly checkRestore: RestoreCheck;
}

/**
 * Looks at a backup level by level up to the wanted one, and stops at the first that does not pass: what a damaged
 * manifest says of its components proves nothing.
 *
 * @throws the reason of the signal when it is aborted; never for the backup itself.
 */
export async function verifyLevelsOf(
  request: VerifyRequest,
  dependencies: Dependencies & { readonly host: ContentsHost },
): Promise<Verification> {
  const { found, source, operationId } = request;
  const { reporter, signal } = dependencies;
  const first = await reporter.group("Compare checksums", async () => {
    const { checks, manifest, manifestSha256 } = await checkChecksums(found.directory, signal);
    const own = await checkIdentity(found, manifest, manifestSha256);
    return { checks: [...checks, ...own], manifest, manifestSha256 };
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
    unknown: unknownOf(manifest),
  };
}

/** A failed check outweighs what could not be judged; nothing looked at is nothing proven. */
export function verdictOf(checks: readonly Check[]): Verification["verdict"] {
  if (checks.some(({ status }) => status === "fail")) return "damaged";
  return passed(checks) ? "verified" : "unverifiable";
}

/**
 * Writes down what was found: damage revokes every mark, a level that was reached is marked. A level that could not be
 * judged changes nothing above the ones that were.
 *
 * @returns a warning when the marks cannot be written.
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
  // The first seal stays: a manifest that was changed once must never look like the one that was written.
  const sha256 = before?.manifestSha256 ?? manifestSha256;
  if (sha256 === undefined) return undefined;
  try {
    if (verdict === "damaged") {
      await repository.mark(id, revoked(sha256, failureOf(checks), at, version));
    } else if (reached !== undefined) {
      await repository.mark(id, marked(before, sha256, reached, at, version));
    }
    return undefined;
  } catch (error) {
    return `the marks of ${id} could not be written: ${describeError(error)}`;
  }
}

/** The first failed check in words. */
export function failureOf(checks: readonly Check[]): string {
  const check =
    checks.find(({ status }) => status === "fail") ??
    checks.find(({ status }) => status === "unverifiable");
  if (check === undefined) return "nothing was checked";
  const of = check.component === undefined ? "" : `${check.component}: `;
  return `${of}${check.name}: ${check.detail}`;
}

/** That the manifest belongs to this directory, and is the one that this repository marked before. */
async function checkIdentity(
  { id, repository }: FoundBackup,
  manifest: Manifest | undefined,
  manifestSha256: string | undefined,
): Promise<Check[]> {
  if (manifest === undefined) return [];
  const subject = { name: "identity" };
  if (isBackupId(id) && manifest.id !== id) {
    return [{ ...subject, status: "fail", detail: `the manifest is that of ${manifest.id}` }];
  }
  const marks = await repository?.marksOf(id);
  if (marks !== undefined && marks.manifestSha256 !== manifestSha256) {
    const detail = "the manifest has changed since this repository first marked it";
    return [{ ...subject, status: "fail", detail }];
  }
  return [{ ...subject, status: "pass", detail: manifest.id }];
}

function unknownOf(manifest: Manifest | undefined): string[] {
  if (manifest === undefined || isEncrypted(manifest)) return [];
  return [
    "the backup is not encrypted: whether somebody changed a file together with its checksum cannot be told",
  ];
}

function passed(checks: readonly Check[]): boolean {
  return checks.length > 0 && checks.every(({ status }) => status === "pass");
}
