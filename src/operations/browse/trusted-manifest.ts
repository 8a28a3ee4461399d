import { join } from "node:path";
import { DamagedError, describeError, UnverifiableError } from "../../core/errors.ts";
import { readRegularFile } from "../../core/regular-file.ts";
import {
  type Manifest,
  manifestFile,
  manifestLimitBytes,
  parseManifest,
} from "../../model/manifest.ts";
import type { SourceOptions } from "../../stores/reader.ts";
import { checkSealed } from "../verify/sealed-manifest.ts";

/**
 * The manifest of a backup. That of an encrypted backup must equal the sealed one, which only somebody with a recipient can write.
 *
 * @throws DamagedError when it is damaged, UnverifiableError when it cannot be read or no key opens the sealed one.
 */
export async function readTrusted(source: SourceOptions, signal: AbortSignal): Promise<Manifest> {
  let manifest: Manifest;
  try {
    const path = join(source.directory, manifestFile);
    manifest = parseManifest(await readRegularFile(path, manifestLimitBytes, signal));
  } catch (cause) {
    signal.throwIfAborted();
    throw new UnverifiableError(`${source.directory}: ${describeError(cause)}`, { cause });
  }
  const sealed = await checkSealed(source, manifest, signal);
  if (sealed.status === "fail") throw new DamagedError(`${source.directory}: ${sealed.detail}`);
  if (sealed.status === "unverifiable") throw new UnverifiableError(sealed.detail);
  return manifest;
}
