import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where a secret stands in the clear below a directory: `file: the secret's first letters`. Every byte is searched. */
export async function leaksIn(directory: string, secrets: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    found.push(...leaksInBytes(path, Buffer.from(path), secrets));
    if (entry.isFile()) found.push(...leaksInBytes(path, await readFile(path), secrets));
  }
  return found;
}

/** {@link leaksIn} for what a program wrote. */
export function leaksInBytes(name: string, bytes: Buffer, secrets: readonly string[]): string[] {
  // latin1, for the one that is not text but bytes.
  const hit = secrets.filter((secret) => bytes.includes(Buffer.from(secret, "latin1")));
  return hit.map((secret) => `${name}: ${secret.slice(0, 8)}`);
}
