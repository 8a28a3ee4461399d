import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DamagedError, describeError } from "../../core/errors.ts";
import { formatBytes } from "../../core/format.ts";
import { keyFingerprint } from "../../core/ssh-signature.ts";
import { temporaryDirectory } from "../../core/temp.ts";
import { checksumsFile, checksumsSignatureFile } from "../../destinations/checksums-file.ts";
import type { RemoteFile } from "../../destinations/remote.ts";
import {
  ancestorsOf,
  type Manifest,
  sealedManifestFile,
  sealedSignatureHash,
} from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import type { Dependencies } from "../session/command.ts";
import { trustedSigners } from "../session/sign-key.ts";
import { openSealedManifest } from "../verify/sealed-manifest.ts";
import { ancestorThere, fetchInto } from "./fetch.ts";
import type { FoundRemote } from "./find-remote.ts";

type VerifyDependencies = Pick<Dependencies, "reporter" | "clock" | "signal">;

/**
 * The `checksum` level for a backup off this host: every file is read to its end there and nothing is kept. With a key,
 * the list of checksums is compared with the sealed manifest, too, and every backup that it is made from is read: only the
 * sealed manifest names them.
 */
export async function checkRemote(
  found: FoundRemote,
  options: Options,
  dependencies: VerifyDependencies,
): Promise<{
  readonly checks: readonly Check[];
  readonly manifest: Manifest | undefined;
  /** What could not be known. */
  readonly unknown: readonly string[];
}> {
  const { remote, backup } = found;
  const { reporter } = dependencies;
  const { checks: signed, unknown } = await checkSigner(found, options);
  const checks: Check[] = [];
  for (const file of backup.files) {
    const isGood = await reporter.group(`Read ${file.name}`, () =>
      remote.check(file, dependencies),
    );
    checks.push(checkOf(file, isGood));
  }
  const hasKey = options.identity.length > 0 || options.passphrase !== undefined;
  if (!hasKey) {
    const all = [...checks, ...unknownAncestors(backup.files), ...signed];
    return { checks: all, manifest: undefined, unknown };
  }
  const sealed = await compareManifest(found, options, dependencies);
  const { manifest } = sealed;
  const ancestors: Check[] = [];
  for (const id of manifest === undefined ? [] : ancestorsOf(manifest)) {
    ancestors.push(await checkAncestor(found, id, dependencies));
  }
  return { checks: [...checks, sealed.check, ...ancestors, ...signed], manifest, unknown };
}

/** Without a key it is not known which backups are needed, only that some are. */
function unknownAncestors(files: readonly RemoteFile[]): Check[] {
  if (!files.some(({ name }) => /\.rdiff\.zst(\.age)?$/.test(name))) return [];
  const detail = "the sealed manifest names the backups that it is made from: give identity";
  return [{ name: "ancestor", status: "unverifiable", detail }];
}

/** Reads every file of a backup that another one is made from. */
async function checkAncestor(
  found: FoundRemote,
  id: string,
  dependencies: VerifyDependencies,
): Promise<Check> {
  const subject = { name: "ancestor", component: id };
  try {
    const { remote, backup } = await ancestorThere(found, id, dependencies);
    for (const file of backup.files) {
      const { status, detail } = checkOf(file, await remote.check(file, dependencies));
      if (status !== "pass") return { ...subject, status, detail: `${file.name}: ${detail}` };
    }
    return { ...subject, status: "pass", detail: `${backup.files.length} files` };
  } catch (error) {
    dependencies.signal.throwIfAborted();
    const status = error instanceof DamagedError ? "fail" : "unverifiable";
    return { ...subject, status, detail: describeError(error) };
  }
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
  const manifest = await dependencies.reporter.group(`Fetch ${found.backup.id}`, () =>
    fetchInto(directory, found, options, dependencies),
  );
  for (const id of ancestorsOf(manifest)) {
    const into = join(temporary.path, id);
    await mkdir(into, { mode: 0o700 });
    const ancestor = await ancestorThere(found, id, dependencies);
    await dependencies.reporter.group(`Fetch ${id}, which it is made from`, () =>
      fetchInto(into, ancestor, options, dependencies),
    );
  }
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

/** The first file of which the list and the manifest tell different things. */
function otherFile(
  { components }: Manifest,
  files: readonly Pick<RemoteFile, "name" | "sha256">[],
): string | undefined {
  const listed = new Map(files.map(({ name, sha256 }) => [name, sha256]));
  const missing = components.find(({ file, sha256 }) => listed.get(file) !== sha256)?.file;
  if (missing !== undefined) return missing;
  const known = new Set([sealedManifestFile, ...components.map(({ file }) => file)]);
  // The encrypted signature is in no manifest: its name holds its checksum.
  const extra = files.find(
    ({ name, sha256 }) => !known.has(name) && sealedSignatureHash(name) !== sha256,
  );
  return extra?.name;
}

/**
 * Checks who signed the list. A signature that is not of it proves a change, whoever made it; a trusted one is demanded only
 * where `trusted-signers` names it.
 */
async function checkSigner(
  { backup: { signer } }: FoundRemote,
  options: Options,
): Promise<{ readonly checks: readonly Check[]; readonly unknown: readonly string[] }> {
  const subject = { name: "signature", component: checksumsFile };
  if (signer === "not of this list") {
    const detail = `${checksumsSignatureFile} is not of this ${checksumsFile}`;
    return { checks: [{ ...subject, status: "fail", detail }], unknown: [] };
  }
  const isTrusted =
    signer !== "nobody" && (await trustedSigners(options)).includes(signer.publicKey);
  const who = signer === "nobody" ? "nobody" : keyFingerprint(signer.publicKey);
  if (isTrusted) {
    return { checks: [{ ...subject, status: "pass", detail: `by ${who}` }], unknown: [] };
  }
  const why =
    signer === "nobody"
      ? "it is not signed"
      : `it is signed with ${who}, which is not trusted here`;
  const unknown = `unknown origin of ${checksumsFile}: ${why}`;
  const demanded = options.trustedSigners.length > 0;
  const check: Check = { name: "origin", status: "unverifiable", detail: unknown };
  return { checks: demanded ? [check] : [], unknown: [unknown] };
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
    const wrong = manifest.id === backup.id ? otherFile(manifest, backup.files) : manifest.id;
    const detail =
      wrong === undefined
        ? `names the ${manifest.components.length} files that are there`
        : `SHA256SUMS is not the list of its files: ${wrong}`;
    const status = wrong === undefined ? "pass" : "fail";
    return { check: { ...subject, status, detail }, manifest };
  } catch (error) {
    dependencies.signal.throwIfAborted();
    const check: Check = { ...subject, status: "unverifiable", detail: describeError(error) };
    return { check, manifest: undefined };
  }
}
