import { describeError, RefusedError, UnverifiableError } from "../core/errors.ts";
import type { Result } from "../model/result.ts";
import { chooseMembers } from "../operations/browse/choose.ts";
import { type Entry, entryOf } from "../operations/browse/entries.ts";
import { readTrusted } from "../operations/browse/trusted-manifest.ts";
import { versionsOf } from "../operations/browse/versions.ts";
import type { Dependencies } from "../operations/session/command.ts";
import type { Host } from "../operations/session/host.ts";
import { findBackup, listBackups, repositoryOf } from "../operations/verify/find-backup.ts";
import type { Options } from "../options/parse.ts";

type FindDependencies = Dependencies & { readonly host: Pick<Host, "project"> };

/**
 * Finds files in all backups of a repository, or in one, by name, path or pattern. A backup that cannot be read is a
 * warning, as long as another one can.
 *
 * @throws RefusedError when nothing is called so, UnverifiableError when no backup can be read.
 */
export async function find(options: Options, dependencies: FindDependencies): Promise<Result> {
  const { clock, reporter, signal } = dependencies;
  const begun = clock.monotonicMs();
  const { identity: identities, passphrase, path } = options;
  if (path.length === 0) {
    throw new RefusedError("path is missing", {
      class: "input",
      hint: "say what to find: --path models.json, or a pattern such as --path '*.json'",
    });
  }
  // A name without a slash is one anywhere.
  const wanted = path.map((one) => (one.includes("/") ? one : `**/${one}`));
  const backups = await backupsOf(options, dependencies);
  const read: { id: string; entries: Entry[] }[] = [];
  const warnings: string[] = [];
  for (const { id, directory } of backups) {
    const source = { directory, identities, passphrase };
    try {
      const manifest = await readTrusted(source, signal);
      const { chosen } = await chooseMembers(manifest, wanted, source, dependencies);
      const entries = chosen.flatMap(({ component, members }) =>
        members.map((member) => entryOf(component, member)),
      );
      read.push({ id, entries });
    } catch (error) {
      signal.throwIfAborted();
      warnings.push(`${id}: not searched: ${describeError(error)}`);
      reporter.warning(warnings.at(-1) ?? "");
    }
  }
  if (read.length === 0) throw new UnverifiableError(warnings[0] ?? "no backup can be read");
  const found = versionsOf(read);
  if (found.length === 0) {
    const where = read.length === 1 ? (read[0]?.id ?? "") : `${read.length} backups`;
    throw new RefusedError(`path: nothing in ${where} is called ${path.join(", ")}`, {
      class: "input",
      hint: "a pattern such as '*models*' finds a part of a name",
    });
  }
  const seconds = (clock.monotonicMs() - begun) / 1000;
  return { result: "listed", seconds, found, warnings };
}

/** Newest first. */
async function backupsOf(
  options: Options,
  dependencies: FindDependencies,
): Promise<readonly { readonly id: string; readonly directory: string }[]> {
  if (options.backup !== "latest") return [await findBackup(options, dependencies)];
  const all = await listBackups(await repositoryOf(options, dependencies));
  if (all.length === 0) return [await findBackup(options, dependencies)];
  return all.map(({ id, path }) => ({ id, directory: path }));
}
