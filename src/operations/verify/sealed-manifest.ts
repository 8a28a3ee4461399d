import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readArchive } from "../../archive/read-archive.ts";
import { DamagedError, describeError, UnverifiableError } from "../../core/errors.ts";
import { openRegularFile, readRegularFile } from "../../core/regular-file.ts";
import { isBackupId } from "../../model/backup-id.ts";
import {
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  NewerManifestError,
  parseManifest,
  sealedManifestFile,
  signatureFile,
  withoutSealed,
  withSealed,
} from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import { failedCheck } from "../../stores/check-result.ts";
import type { SourceOptions } from "../../stores/reader.ts";

const subject = { name: "sealed manifest" };

/** Whether any component of the backup is encrypted. If so, reading the backup needs a key. */
export function isEncrypted(manifest: Manifest): boolean {
  return manifest.components.some(({ encryption }) => encryption === "age");
}

/** Whether a key for an encrypted backup was given. */
function hasKey(source: Pick<SourceOptions, "identities" | "passphrase">): boolean {
  return source.identities.length > 0 || source.passphrase !== undefined;
}

/**
 * Compares the sealed manifest with the plain one (without its record of the sealed one), byte for byte. An attacker who can write to the repository can
 * adjust checksums in the plain manifest, but not inside the sealed one.
 *
 * @throws the reason of `signal` if it is aborted.
 */
export async function checkSealed(
  source: SourceOptions,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Check> {
  if (!isEncrypted(manifest)) return unencrypted(source);
  if (!hasKey(source)) {
    const detail =
      "the backup is encrypted: give the file of one of its keys as identity (`init` puts them into ~/sophon-keeper-keys), or the passphrase";
    return { ...subject, status: "unverifiable", detail };
  }
  if (manifest.components.some(({ encryption }) => encryption !== "age")) {
    const detail = "a component is not encrypted, but the others are";
    return { ...subject, status: "fail", detail };
  }
  try {
    const path = join(source.directory, manifestFile);
    const plain = withoutSealed(await readRegularFile(path, manifestLimitBytes, signal));
    const sealed = await readSealed(source, signal);
    return plain !== undefined && sealed.equals(Buffer.from(plain))
      ? { ...subject, status: "pass", detail: "equals the plain manifest, byte for byte" }
      : { ...subject, status: "fail", detail: "the plain manifest differs from the sealed one" };
  } catch (error) {
    signal.throwIfAborted();
    return failedCheck(subject, error);
  }
}

/** If a key was given, somebody may have replaced an encrypted backup by an unencrypted one. */
function unencrypted(source: SourceOptions): Check {
  return hasKey(source)
    ? {
        ...subject,
        status: "unverifiable",
        detail:
          "the backup is not encrypted, so the given key proves nothing; leave it out to read the backup anyway",
      }
    : { ...subject, status: "pass", detail: "not encrypted: there is no sealed manifest" };
}

async function readSealed(source: SourceOptions, signal: AbortSignal): Promise<Buffer> {
  return await decryptManifest(join(source.directory, sealedManifestFile), source, signal);
}

/**
 * Reads the manifest of a backup that was brought back from elsewhere: it has no plain one.
 *
 * @returns `text`, the plain manifest as it was on the host that made the backup, and what it says
 * @param file - the sealed manifest
 * @param from - where the backup is from, for messages
 * @throws UnverifiableError without a key, or if none opens it; DamagedError for a manifest whose names could leave the
 * repository: anyone with the public key can seal one.
 */
export async function openSealedManifest(
  file: string,
  from: string,
  { identity, passphrase }: Pick<Options, "identity" | "passphrase">,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly manifest: Manifest }> {
  const keys = { identities: identity, passphrase };
  if (!hasKey(keys)) {
    throw new UnverifiableError(`backup: ${from} is encrypted`, {
      class: "no-identity",
      hint: "give the file of one of its keys as identity, or the passphrase",
    });
  }
  const opened = (await decryptManifest(file, keys, signal)).toString("utf8");
  const manifest = parsed(opened, from);
  // Both become part of paths.
  if (isBackupId(manifest.id) && !/[/\0]/.test(manifest.id) && /^[\w-]+$/.test(manifest.project)) {
    return { text: withSealed(opened, await recordOf(file)), manifest };
  }
  throw new DamagedError(`backup: ${from}: the manifest has no valid id or project`);
}

function parsed(text: string, from: string): Manifest {
  try {
    return parseManifest(text);
  } catch (cause) {
    const message = `backup: ${from}: ${describeError(cause)}`;
    if (cause instanceof NewerManifestError) throw new UnverifiableError(message, { cause });
    throw new DamagedError(message, { cause });
  }
}

/**
 * Writes the plain signature of a backup that was brought back from elsewhere.
 *
 * @param name - the encrypted signature in the backup's directory
 * @throws as reading an archive does.
 */
export async function openSignature(
  directory: string,
  name: string,
  { identity, passphrase }: Pick<Options, "identity" | "passphrase">,
  signal: AbortSignal,
): Promise<void> {
  const keys = { identities: identity, passphrase };
  const text = await decryptManifest(join(directory, name), keys, signal);
  await writeFile(join(directory, signatureFile), text, { mode: 0o600 });
}

/** Size and hash of the sealed manifest, as the plain one names them. */
async function recordOf(file: string): Promise<NonNullable<Manifest["sealed"]>> {
  await using handle = await openRegularFile(file);
  const hash = createHash("sha256");
  for await (const chunk of handle.createReadStream({ autoClose: false })) hash.update(chunk);
  return { bytes: (await handle.stat()).size, sha256: hash.digest("hex") };
}

async function decryptManifest(
  file: string,
  { identities, passphrase }: Pick<SourceOptions, "identities" | "passphrase">,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sealed = readArchive({
    file,
    compressed: false,
    decrypt: { identities, ...(passphrase === undefined ? {} : { passphrase }) },
    signal,
  });
  let bytes = 0;
  for await (const chunk of sealed) {
    bytes += chunk.length;
    if (bytes > manifestLimitBytes) throw new DamagedError("the sealed manifest is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
