import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatBytes } from "../../core/format.ts";
import { type SealedPlaces, sealPlaces } from "../backup/seal-kept.ts";
import type { UpgradePlan } from "./journal.ts";
import { standing } from "./rollback-copies.ts";
import type { RollbackContext } from "./session.ts";

/** Unless `failed-max-bytes` says something else. */
export const failedLimitBytes = 10 * 2 ** 30;

/** The name of the archive of the logs, and of the directory before. */
const logs = "container-logs";

/** Where the archives of a failed version are. */
export function failedDirectory({ repository, id }: Pick<RollbackContext, "repository" | "id">) {
  return repository.failed(id);
}

/** The directory for the logs of a failed version, until they are archived. */
export function logDirectory(context: Pick<RollbackContext, "repository" | "id">): string {
  return join(failedDirectory(context), logs);
}

/**
 * Puts what a failed version logged and wrote into archives in the repository, encrypted like a backup, so that no clear
 * copies of data lie about. Nothing depends on it any more: a failure leaves the files as they are.
 *
 * @returns one line for each thing that a person should know.
 */
export async function sealFailed(context: RollbackContext, plan: UpgradePlan): Promise<string[]> {
  const { repository, tasks, passphrase } = context;
  const directory = failedDirectory(context);
  const places = [
    { name: logs, path: logDirectory(context) },
    ...plan.copies.map(({ name, aside }) => ({ name, path: aside })),
  ];
  // Absent in journals of older versions.
  const { recipients, limitBytes, needsPassphrase } = plan.sealing ?? {
    ...{ recipients: [], limitBytes: failedLimitBytes, needsPassphrase: true },
  };
  if (needsPassphrase && passphrase === undefined) {
    return [`logs and changed data of the failed version are kept in clear text: ${told(places)}`];
  }
  const sink = { directory, recipients, passphrase };
  const beside = places.map(({ path }) => standing(dirname(dirname(path))));
  const mounts = [...new Set([repository.path, ...beside])].map((path) => ({
    ...{ path, readOnly: false },
  }));
  const params = { places, owner: repository.path, sink, limitBytes };
  const sealed = await tasks.run(sealPlaces, params, { mounts });
  return linesOf(sealed, directory);
}

function linesOf({ files, deleted, open }: SealedPlaces, directory: string): string[] {
  const isEncrypted = files.every((file) => file.endsWith(".age"));
  const how = isEncrypted ? "encrypted like a backup" : "not encrypted";
  const gone = deleted.map(({ name, bytes }) => `${name} (${formatBytes(bytes)})`).join(", ");
  return [
    ...(files.length === 0
      ? []
      : [
          `logs and changed data of the failed version are kept, ${how}: ${files.join(", ")} in ${directory}`,
        ]),
    ...(gone === ""
      ? []
      : [`changed data of the failed version was deleted, larger than failed-max-bytes: ${gone}`]),
    ...open.map(({ path, why }) => `${path} is kept in clear text: ${why}`),
  ];
}

function told(places: readonly { readonly path: string }[]): string {
  const found = places.map(({ path }) => path).filter((path) => existsSync(path));
  const closed = places.map(({ path }) => dirname(path)).filter(existsSync);
  return [...new Set(found.length > 0 ? found : closed)].join(", ");
}
