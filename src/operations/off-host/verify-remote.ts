import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import type { RemoteFile } from "../../destinations/remote.ts";
import { type Manifest, sealedManifestFile } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import type { Dependencies } from "../session/command.ts";
import { openSealedManifest } from "../verify/sealed-manifest.ts";
import { fetchInto } from "./fetch.ts";
import type { FoundRemote } from "./find-remote.ts";

type VerifyDependencies = Pick<Dependencies, "reporter" | "clock" | "signal">;

/**
 * The `checksum` level for a backup off this host: every file is read to its end there and nothing is kept. With a key,
 * the list of checksums is compared with the sealed manifest, too.
 */
export async function checkRemote(
  found: FoundRemote,
  options: Options,
  dependencies: VerifyDependencies,
): Promise<{ readonly checks: readonly Check[]; readonly manifest: Manifest | undefined }> {
  const { remote, backup } = found;
  const { reporter } = dependencies;
  const checks: Check[] = [];
  for (const file of backup.files) {
    const isGood = await reporter.group(`Read ${file.name}`, () =>
      remote.check(file, dependencies),
    );
    checks.push(checkOf(file, isGood));
  }
  const hasKey = options.identity.length > 0 || options.passphrase !== undefined;
  if (!hasKey) return { checks, manifest: undefined };
  const sealed = await compareManifest(found, options, dependencies);
  return { checks: [...checks, sealed.check], manifest: sealed.manifest };
}

/** Calls `work` with a directory that holds the whole backup, and removes it afterwards. */
export async function withLocalCopy<T>(
  found: FoundRemote,
  options: Options,
  dependencies: VerifyDependencies,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  await using temporary = await temporaryDirectory("sophon-keeper-fetched-");
  const directory = join(temporary.path, found.backup.id);
  await mkdir(directory, { mode: 0o700 });
  await dependencies.reporter.group(`Fetch ${found.backup.id}`, () =>
    fetchInto(directory, found, options, dependencies),
  );
  return await work(directory);
}

function checkOf({ name, bytes, candidates }: RemoteFile, isGood: boolean): Check {
  const base = { name: "checksum", component: name };
  if (isGood) return { ...base, status: "pass", detail: formatBytes(bytes) };
  const detail =
    candidates.length === 0
      ? "is missing"
      : "its content is not what was uploaded (SHA-256 differs)";
  return { ...base, status: "fail", detail };
}

async function compareManifest(
  { remote, backup, address }: FoundRemote,
  options: Options,
  dependencies: VerifyDependencies,
): Promise<{ readonly check: Check; readonly manifest: Manifest | undefined }> {
  const subject = { name: "sealed manifest" };
  const [sealed] = backup.files.filter(({ name }) => name === sealedManifestFile);
  if (sealed === undefined) {
    const check: Check = { ...subject, status: "fail", detail: "is missing" };
    return { check, manifest: undefined };
  }
  await using temporary = await temporaryDirectory("sophon-keeper-manifest-");
  const path = join(temporary.path, sealedManifestFile);
  try {
    await remote.fetch(sealed, path, dependencies);
    const { signal } = dependencies;
    const { manifest } = await openSealedManifest(path, address, options, signal);
    const listed = new Map(backup.files.map(({ name, sha256 }) => [name, sha256]));
    const wrong = manifest.components.find(({ file, sha256 }) => listed.get(file) !== sha256);
    const extra = listed.size - 1 - manifest.components.length;
    const isOther = manifest.id !== backup.id || wrong !== undefined || extra !== 0;
    const detail = isOther
      ? `SHA256SUMS is not the list of its files${wrong === undefined ? "" : `: ${wrong.file}`}`
      : `names the ${manifest.components.length} files that are there`;
    return { check: { ...subject, status: isOther ? "fail" : "pass", detail }, manifest };
  } catch (error) {
    dependencies.signal.throwIfAborted();
    const check: Check = { ...subject, status: "unverifiable", detail: describeError(error) };
    return { check, manifest: undefined };
  }
}
