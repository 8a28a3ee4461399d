import { RefusedError } from "../core/errors.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Result } from "../model/result.ts";
import { chooseMembers } from "../operations/browse/choose.ts";
import { databaseCounts } from "../operations/browse/database-counts.ts";
import { type Entry, entryOf, isTree, pathFilter } from "../operations/browse/entries.ts";
import { readTrusted } from "../operations/browse/trusted-manifest.ts";
import type { Dependencies } from "../operations/session/command.ts";
import type { Host } from "../operations/session/host.ts";
import { findBackup } from "../operations/verify/find-backup.ts";
import type { Options } from "../options/parse.ts";

/**
 * Lists what is inside a backup: each file of its archives, and what its other components hold.
 *
 * @throws RefusedError when there is no such backup or no key was given, DamagedError, UnverifiableError.
 */
export async function ls(
  options: Options,
  dependencies: Dependencies & { readonly host: Pick<Host, "project"> },
): Promise<Result> {
  const { clock, signal } = dependencies;
  const begun = clock.monotonicMs();
  const { identity: identities, passphrase, path: wanted } = options;
  const { id, directory } = await findBackup(options, dependencies);
  const source = { directory, identities, passphrase };
  const manifest = await readTrusted(source, signal);
  const { chosen } = await chooseMembers(manifest, wanted, source, dependencies);
  const entries: Entry[] = chosen.flatMap(({ component, members }) =>
    members.map((member) => entryOf(component, member)),
  );
  const isChosen = pathFilter(wanted);
  const components = manifest.components
    .filter((component) => !isTree(component) && isChosen(component.name))
    .map(({ name, store, bytes, plainBytes, counts }) => ({
      ...{ name, store, bytes, plainBytes },
      summary: Object.entries(counts)
        .map(([what, count]) => `${typeof count === "number" ? count : count.max} ${what}`)
        .join(", "),
    }));
  if (entries.length + components.length === 0) {
    throw new RefusedError(`path: nothing in ${id} is called ${wanted.join(", ")}`, {
      class: "input",
      hint: "run ls without --path to see everything; a pattern such as **/NAME finds a name anywhere",
    });
  }
  const seconds = (clock.monotonicMs() - begun) / 1000;
  const counts = wanted.length === 0 ? [] : countsOf(manifest, isChosen);
  const told = { entries, components, ...(counts.length === 0 ? {} : { counts }) };
  return { result: "listed", seconds, backupId: id, path: directory, ...told };
}

/** What the chosen databases and collections hold, table by table; those of SQLite are files of an archive. */
function countsOf({ components }: Manifest, isChosen: (path: string) => boolean) {
  return components.flatMap((component) =>
    databaseCounts(component)
      .filter(({ of }) => isChosen(of))
      .map(({ of, name, count }) => ({ of, name, count })),
  );
}
