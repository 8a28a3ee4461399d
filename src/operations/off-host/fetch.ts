import { lstat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DamagedError, RefusedError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { freeBytes } from "../../core/free-space.ts";
import { fsyncFile } from "../../core/temp.ts";
import {
  ancestorsOf,
  type Manifest,
  manifestFile,
  sealedManifestFile,
  sealedSignatureHash,
} from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import { Repository } from "../../repository/repository.ts";
import { requireOwnRepository } from "../../repository/require-own.ts";
import type { Dependencies } from "../session/command.ts";
import { repositoryPath } from "../session/repository-path.ts";
import { openSealedManifest, openSignature } from "../verify/sealed-manifest.ts";
import { type FoundRemote, findRemote } from "./find-remote.ts";
import { isRemoteAddress } from "./remotes.ts";

type FetchDependencies = Pick<Dependencies, "reporter" | "clock" | "signal">;

/** Free space that stays on the disk for everything else. */
const spareBytes = 32 * 2 ** 20;

/**
 * Brings a backup at `s3://BUCKET/PREFIX/PROJECT/ID` into the repository, and returns options that name it there. Other
 * options are returned unchanged. What an interrupted run has brought is not fetched again.
 *
 * @throws RefusedError if there is no such backup or no room for it, UnverifiableError if it cannot be read or opened,
 * DamagedError if it is not what was uploaded.
 */
export async function withFetched(
  options: Options,
  dependencies: FetchDependencies,
): Promise<Options> {
  if (!isRemoteAddress(options.backup)) return options;
  const found = await findRemote(options, dependencies);
  const { id, project } = found.backup;
  const repository = new Repository(repositoryPath(options, project));
  requireOwnRepository(repository.path);
  await repository.create();
  const chosen = { ...options, repository: repository.path, backup: id };
  const isThere = (await repository.list()).some((one) => one.id === id && !one.problem);
  if (isThere) {
    dependencies.reporter.info(`${id} is already in ${repository.path}`);
    return chosen;
  }
  await fetchChain(found, repository, options, dependencies);
  return chosen;
}

/** Fetches a backup, and then those that it is made from and that are not here: each takes its place after them. */
async function fetchChain(
  found: FoundRemote,
  repository: Repository,
  options: Options,
  dependencies: FetchDependencies,
): Promise<void> {
  const { id } = found.backup;
  const directory = await repository.incoming(id);
  const manifest = await dependencies.reporter.group(`Fetch ${id} into ${repository.path}`, () =>
    fetchInto(directory, found, options, dependencies),
  );
  const here = (await repository.list()).filter((one) => one.problem === undefined);
  const missing = ancestorsOf(manifest).filter((one) => !here.some((other) => other.id === one));
  for (const ancestor of missing.toReversed()) {
    const its = await ancestorThere(found, ancestor, dependencies);
    const into = await repository.incoming(ancestor);
    await dependencies.reporter.group(`Fetch ${ancestor}, which ${id} is made from`, () =>
      fetchInto(into, its, options, dependencies),
    );
    await repository.adopt(ancestor);
  }
  await repository.adopt(id);
}

/** A backup that another one beside it is made from. @throws DamagedError if it is not there. */
export async function ancestorThere(
  { remote, backup, address }: FoundRemote,
  id: string,
  dependencies: FetchDependencies,
): Promise<FoundRemote> {
  try {
    const found = await remote.open(backup.project, id, dependencies);
    return { remote, backup: found, address: `${remote.name}/${backup.project}/${id}` };
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw new DamagedError(`backup: ${address} is made from ${id}, which is not there`, {
      cause: error,
    });
  }
}

/**
 * Fetches a backup into a directory, the manifest first: without a key nothing else is fetched.
 *
 * @throws the errors of {@link withFetched}.
 */
export async function fetchInto(
  directory: string,
  { remote, backup, address }: FoundRemote,
  options: Pick<Options, "identity" | "passphrase">,
  dependencies: FetchDependencies,
): Promise<Manifest> {
  if (backup.signer === "not of this list") {
    // Whoever may only add can add this file. What counts for a restore is the signature of the manifest.
    dependencies.reporter.warning(`${address}: SHA256SUMS.sig is not of this SHA256SUMS`);
  }
  const [sealed] = backup.files.filter(({ name }) => name === sealedManifestFile);
  if (sealed === undefined) {
    throw new DamagedError(`backup: ${address} has no ${sealedManifestFile}`);
  }
  await requireRoom(directory, backup.files);
  const path = join(directory, sealedManifestFile);
  await remote.fetch(sealed, path, dependencies);
  const { signal } = dependencies;
  const { text, manifest } = await openSealedManifest(path, address, options, signal);
  if (manifest.id !== backup.id || manifest.project !== backup.project) {
    throw new DamagedError(`backup: ${address} holds the backup ${manifest.id} of another name`);
  }
  for (const file of backup.files) {
    if (file === sealed) continue;
    await remote.fetch(file, join(directory, file.name), dependencies);
  }
  const signature = backup.files.find(({ name }) => sealedSignatureHash(name) !== undefined);
  if (signature !== undefined) await openSignature(directory, signature.name, options, signal);
  const plain = join(directory, manifestFile);
  await writeFile(plain, text, { mode: 0o600 });
  await fsyncFile(plain);
  return manifest;
}

/** @throws RefusedError if the rest of the files does not fit on the disk. */
async function requireRoom(
  directory: string,
  files: readonly { readonly name: string; readonly bytes: number }[],
): Promise<void> {
  let needed = spareBytes;
  for (const { name, bytes } of files) {
    const there = await lstat(join(directory, name)).then(
      ({ size }) => size,
      () => 0,
    );
    needed += Math.max(0, bytes - there);
  }
  const free = await freeBytes(directory);
  if (needed <= free) return;
  throw new RefusedError(
    `backup: fetching it needs ${formatBytes(needed)}, but only ${formatBytes(free)} are free in ${directory}`,
    { class: "no-space", hint: "free space on that disk, or give another repository" },
  );
}
