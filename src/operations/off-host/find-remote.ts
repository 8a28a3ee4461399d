import { RefusedError } from "../../core/errors.ts";
import { withoutUserInfo } from "../../core/secrets.ts";
import type { ListedRemote, Remote, RemoteBackup } from "../../destinations/remote.ts";
import { isBackupId, timeOfBackup } from "../../model/backup-id.ts";
import { isDatedInFuture } from "../../model/retention.ts";
import type { Options } from "../../options/parse.ts";
import type { Dependencies } from "../session/command.ts";
import { trustedSigners } from "../session/sign-key.ts";
import { remoteAt } from "./remotes.ts";

export type { ListedRemote };

type RemoteDependencies = Pick<Dependencies, "reporter" | "clock" | "signal">;

/** A complete backup off this host that was asked for. */
export interface FoundRemote {
  readonly remote: Remote;
  readonly backup: RemoteBackup;
  /** How it is named in messages. */
  readonly address: string;
}

/**
 * Finds the backup that `backup` names: `s3://BUCKET/PREFIX/PROJECT/ID`, or `latest` in place of the id. A backup dated
 * in the future is the latest only if there is no other.
 *
 * @throws RefusedError (class `no-backup`) if there is none, UnverifiableError if the destination cannot be read.
 */
export async function findRemote(
  options: Options,
  dependencies: RemoteDependencies,
): Promise<FoundRemote> {
  const { place, project, id } = splitAddress(options.backup);
  const remote = remoteAt("backup", place, options);
  const wanted = id === "latest" ? await latest(remote, project, dependencies) : id;
  const trusted = await trustedSigners(options);
  const backup = await remote.open(project, wanted, dependencies, trusted);
  return { remote, backup, address: `${remote.name}/${project}/${wanted}` };
}

/** The complete backups at `s3://BUCKET/PREFIX`, or of one project there, newest first. */
export async function listRemote(
  options: Options,
  dependencies: RemoteDependencies,
): Promise<{ readonly remote: Remote; readonly backups: readonly ListedRemote[] }> {
  const remote = remoteAt("backup", options.backup, options);
  const backups = await remote.list(undefined, dependencies);
  if (backups.length > 0 || remote.isRoot) return { remote, backups: newestFirst(backups) };
  // The last part may name a project.
  const [, place = "", project = ""] = /^(.+[/:])([^/:]+)\/*$/.exec(options.backup) ?? [];
  const outer = remoteAt("backup", place, options);
  return { remote: outer, backups: newestFirst(await outer.list(project, dependencies)) };
}

async function latest(
  remote: Remote,
  project: string,
  dependencies: RemoteDependencies,
): Promise<string> {
  const all = newestFirst(await remote.list(project, dependencies));
  const now = dependencies.clock.now();
  const found = all.find(({ id }) => !isDatedInFuture(timeOfBackup(id), now)) ?? all[0];
  if (found !== undefined) return found.id;
  throw new RefusedError(`backup: ${remote.name} has no complete backup of ${project}`, {
    class: "no-backup",
    hint: `run \`sophon-keeper list --backup ${remote.name}\` to see all backups there`,
  });
}

function newestFirst(all: readonly ListedRemote[]): ListedRemote[] {
  return all
    .filter(({ id }) => isBackupId(id))
    .toSorted((a, b) => timeOfBackup(b.id).getTime() - timeOfBackup(a.id).getTime());
}

function splitAddress(address: string): { place: string; project: string; id: string } {
  const form = address.startsWith("s3:")
    ? /^(s3:\/\/[^/]+(?:\/.*?)?)\/+([^/]+)(?:\/backups)?\/+([^/]+)\/*$/
    : /^(rclone:[^:]+:.*?)\/?([^/:]+)(?:\/backups)?\/([^/]+)\/*$/;
  const [, place = "", project = "", id = ""] = form.exec(address) ?? [];
  if (place !== "" && (id === "latest" || isBackupId(id))) return { place, project, id };
  throw new RefusedError(
    `backup is "${withoutUserInfo(address)}": write s3://BUCKET/PREFIX/PROJECT/ID, or latest in place of the ID`,
    { class: "input" },
  );
}
