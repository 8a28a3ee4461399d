import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { formatManifest, type Manifest, parseManifest } from "../../../src/model/manifest.ts";
import { seal } from "../../contract/verify/backup.ts";
import type { BackedUpStack } from "./restored.ts";

/**
 * A well-formed lie: the backup at `path` with one component of another backup of the same stack in its place, checksums
 * and sizes recomputed, sealed by somebody who knows the recipient. The manifest tells of the content that it had.
 *
 * @returns the directory of the forged backup.
 */
export async function forge(
  { stack, key }: BackedUpStack,
  path: string,
  component: string,
  other: string,
): Promise<string> {
  const directory = join(stack.scratch, `forged-${component}`, basename(path));
  await mkdir(join(directory, ".."), { recursive: true });
  await cp(path, directory, { recursive: true });
  const [told, taken] = [await manifestOf(path), await manifestOf(other)];
  const part = taken.components.find(({ name }) => name === component);
  if (part === undefined) throw new Error(`${other} has no component ${component}`);
  await cp(join(other, part.file), join(directory, part.file));
  const { bytes, sha256, plainBytes } = part;
  const manifest: Manifest = {
    ...told,
    components: told.components.map((one) =>
      one.name === component ? { ...one, bytes, sha256, plainBytes } : one,
    ),
  };
  await writeFile(join(directory, "manifest.json"), formatManifest(manifest), { mode: 0o600 });
  // Whoever forges cannot sign.
  for (const name of await readdir(directory)) {
    if (/^manifest\.json\.(age|sig)/.test(name)) await rm(join(directory, name));
  }
  await seal(directory, manifest, key.recipient);
  return directory;
}

async function manifestOf(directory: string): Promise<Manifest> {
  return parseManifest(await readFile(join(directory, "manifest.json"), "utf8"));
}
