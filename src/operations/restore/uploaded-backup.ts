import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describeError, KeeperError, RefusedError } from "../../core/errors.ts";
import { ExecError, isOfTheHost, run } from "../../core/exec.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import { manifestFile, sealedManifestFile, sealedSignatureHash } from "../../model/manifest.ts";
import type { Options } from "../../options/parse.ts";
import { Repository } from "../../repository/repository.ts";
import { requireOwnRepository } from "../../repository/require-own.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import { repositoryPath } from "../session/repository-path.ts";
import { openSealedManifest, openSignature } from "../verify/sealed-manifest.ts";

type FileDependencies = Dependencies & { readonly host: Pick<Host, "project"> };

/** What `backup` names in a step of the action. */
const services = ["artifact", "cache"] as const;

/**
 * Unpacks a backup that is a single sealed file (`ID.tar`, as uploaded), `artifact` or `cache` into the repository, and returns
 * options that name the unpacked backup. Other options are returned unchanged.
 *
 * @throws RefusedError if the file is not a backup, UnverifiableError if no key opens it.
 */
export async function withUnpacked(
  options: Options,
  dependencies: FileDependencies,
): Promise<Options> {
  const { backup } = options;
  const service = services.find((name) => name === backup);
  if (service !== undefined) {
    await using temporary = await temporaryDirectory("sophon-keeper-download-");
    const file = await download(service, options, temporary.path, dependencies);
    return await unpacked(file, options, dependencies);
  }
  if (/\.zip$/i.test(backup)) {
    throw new RefusedError(`backup: ${backup} is a zip file`, {
      class: "no-backup",
      hint: "unzip it, and give the .tar file inside",
    });
  }
  if (!/\.tar$/.test(backup)) return options;
  const file = resolve(backup);
  const isFile = await stat(file).then(
    (info) => info.isFile(),
    () => false,
  );
  return isFile ? await unpacked(file, options, dependencies) : options;
}

async function download(
  name: (typeof services)[number],
  options: Options,
  into: string,
  dependencies: FileDependencies,
): Promise<string> {
  const { destinations, reporter } = dependencies;
  const service = destinations[name];
  if (service === undefined) {
    throw new RefusedError(`backup is ${name}, which works only in a step of the action`, {
      class: "no-artifacts",
      hint: "download the artifact (gh run download), and give the path of the .tar file",
    });
  }
  service.refuseUnready();
  const wanted = {
    name: options.artifactName,
    project: await projectOf(options, dependencies),
    run: options.artifactRun,
    token: options.githubToken,
  };
  return await reporter.group(`Download the backup from the ${name}`, () =>
    service.fetch(wanted, into, dependencies),
  );
}

/** A host without the stack, or without an engine, does not know the project. */
async function projectOf(
  options: Options,
  dependencies: FileDependencies,
): Promise<string | undefined> {
  if (options.projectName !== undefined) return options.projectName;
  try {
    return await dependencies.host.project(options, dependencies);
  } catch (error) {
    dependencies.signal.throwIfAborted();
    if (error instanceof KeeperError) return undefined;
    throw error;
  }
}

async function unpacked(
  file: string,
  options: Options,
  { reporter, signal }: FileDependencies,
): Promise<Options> {
  const { text, manifest } = await readManifest(file, options, signal);
  const repository = new Repository(repositoryPath(options, manifest.project));
  const { id } = manifest;
  const found = { ...options, repository: repository.path, backup: id };
  requireOwnRepository(repository.path);
  await repository.create();
  const isThere = (await repository.list()).some((one) => one.id === id);
  if (isThere) {
    reporter.info(`${id} is already in ${repository.path}`);
    return found;
  }
  await reporter.group(`Unpack ${id} into ${repository.path}`, async () => {
    await repository.discard(id);
    const directory = await repository.begin(id);
    try {
      const signature = await signatureIn(file, signal);
      const names = [
        ...[sealedManifestFile, ...manifest.components.map((one) => one.file)],
        ...(signature === undefined ? [] : [signature]),
      ];
      const inner = join(directory, ".unpacking");
      await mkdir(inner, { mode: 0o700 });
      const how = ["--extract", "--no-same-owner", `--file=${file}`, `--directory=${inner}`];
      await run("tar", [...how, "--no-wildcards", "--", ...names], { signal });
      for (const name of names) await rename(join(inner, name), join(directory, name));
      await run("rmdir", [inner]);
      await writeFile(join(directory, manifestFile), text, { mode: 0o600 });
      if (signature !== undefined) await openSignature(directory, signature, options, signal);
      await run("sync", ["--file-system", directory], { signal });
      await repository.finish(id);
    } catch (error) {
      await repository.discard(id);
      signal.throwIfAborted();
      throw notUnpacked(error, file, "does not contain every file that its manifest names");
    }
  });
  return found;
}

/** What is wrong with the file, or with this host, which then says nothing of the file. */
function notUnpacked(cause: unknown, file: string, wrong: string): unknown {
  const evidence = describeError(cause);
  if (cause instanceof ExecError && isOfTheHost(cause)) {
    return new RefusedError(`backup: ${file} could not be unpacked on this host`, {
      ...{ class: "host", cause, evidence },
      hint: "Nothing is known to be wrong with the file: settle what tar says, and try again.",
    });
  }
  // An error of the file system names its own way out.
  if (cause instanceof KeeperError || isErrno(cause)) return cause;
  return new RefusedError(`backup: ${file} ${wrong}`, {
    ...{ class: "no-backup", cause, evidence },
    hint: "give an id, latest, the directory that holds manifest.json, or an ID.tar as it was uploaded",
  });
}

function isErrno(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && code !== "ENOENT";
}

/** The name of the encrypted signature, if there is one. */
async function signatureIn(file: string, signal: AbortSignal): Promise<string | undefined> {
  const { stdout } = await run("tar", ["--list", `--file=${file}`], { signal });
  return stdout.split("\n").find((name) => sealedSignatureHash(name) !== undefined);
}

/** Takes the sealed manifest out of the file: an uploaded backup has no plain one. */
async function readManifest(
  file: string,
  options: Options,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof openSealedManifest>>> {
  await using temporary = await temporaryDirectory("sophon-keeper-manifest-");
  const how = ["--extract", "--no-same-owner", `--file=${file}`, `--directory=${temporary.path}`];
  await run("tar", [...how, "--no-wildcards", "--", sealedManifestFile], { signal }).catch(
    (cause: unknown) => {
      signal.throwIfAborted();
      throw notUnpacked(cause, file, "is not the sealed file of a backup");
    },
  );
  return await openSealedManifest(join(temporary.path, sealedManifestFile), file, options, signal);
}
