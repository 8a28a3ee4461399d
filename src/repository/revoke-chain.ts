import { revoked } from "../model/marks.ts";
import type { Repository } from "./repository.ts";

/**
 * Revokes the marks of a backup and of all that cannot be read without it.
 *
 * @returns the ids whose marks were revoked.
 * @throws the file system's error if marks cannot be written.
 */
export async function revokeChain(
  repository: Repository,
  damagedId: string,
  failure: string,
  at: Date,
  toolVersion: string,
): Promise<string[]> {
  const all = await repository.list();
  const hit = all.filter(({ id, ancestors }) => id === damagedId || ancestors?.includes(damagedId));
  for (const { id, manifestSha256 } of hit) {
    const before = await repository.marksOf(id);
    // The first checksum stays: a changed manifest must never pass for the original one.
    const sha256 = before?.manifestSha256 ?? manifestSha256;
    if (sha256 === undefined) continue;
    const why = id === damagedId ? failure : `made from ${damagedId}, which is damaged: ${failure}`;
    await repository.mark(id, revoked(before, sha256, why, at.toISOString(), toolVersion));
  }
  return hit.map(({ id }) => id);
}
