import { join } from "node:path";
import { readArchive } from "../../archive/read-archive.ts";
import { DamagedError } from "../../core/errors.ts";
import { readRegularFile } from "../../core/regular-file.ts";
import {
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  sealedManifestFile,
  withoutSealed,
} from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
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
    const detail = "the backup is encrypted: give identity (or passphrase) to read it";
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
  const { identities, passphrase } = source;
  const chunks: Buffer[] = [];
  const sealed = readArchive({
    file: join(source.directory, sealedManifestFile),
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
