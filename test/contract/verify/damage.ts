import { cp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../../src/core/hash.ts";
import { formatManifest, type Manifest, parseManifest } from "../../../src/model/manifest.ts";

/** Numbers that look random and are the same in every run. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Random = ReturnType<typeof seeded>;

/** Flips one bit of one component's file and tells where. */
export async function flip(directory: string, random: Random): Promise<string> {
  const file = await anyFile(directory, random);
  const bytes = await readFile(join(directory, file));
  const at = random(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  await writeFile(join(directory, file), bytes);
  return `${file} at ${at}`;
}

/** Cuts one component's file. */
export async function cut(directory: string, random: Random): Promise<string> {
  const file = await anyFile(directory, random);
  const { length } = await readFile(join(directory, file));
  const left = random(length);
  await truncate(join(directory, file), left);
  return `${file} to ${left}`;
}

/** Makes a component's file longer. */
export async function append(directory: string, random: Random): Promise<string> {
  const file = await anyFile(directory, random);
  await writeFile(join(directory, file), Buffer.alloc(1 + random(4096)), { flag: "a" });
  return file;
}

/** Removes a file, the sealed manifest included. */
export async function remove(directory: string, random: Random): Promise<string> {
  const all = await readdir(directory);
  const file = all[random(all.length)] as string;
  await rm(join(directory, file));
  return file;
}

/** Adds a file that no manifest knows. */
export async function add(directory: string, random: Random): Promise<string> {
  const file = `volume-${random(1e6)}.tar.zst.age`;
  await writeFile(join(directory, file), "more");
  return file;
}

/** Swaps the files of two components. */
export async function swap(directory: string): Promise<string> {
  const [a, b] = (await components(directory)) as [string, string];
  await rename(join(directory, a), join(directory, "swapped"));
  await rename(join(directory, b), join(directory, a));
  await rename(join(directory, "swapped"), join(directory, b));
  return `${a} and ${b}`;
}

/** Changes the plain manifest so that it fits the files as they are now. */
export async function fitManifest(
  directory: string,
  change: (manifest: Manifest) => Manifest = (manifest) => manifest,
): Promise<void> {
  const path = join(directory, "manifest.json");
  const manifest = change(parseManifest(await readFile(path, "utf8")));
  const fitted = manifest.components.map(async (component) => {
    const bytes = await readFile(join(directory, component.file));
    return { ...component, bytes: bytes.length, sha256: sha256Hex(bytes) };
  });
  await writeFile(path, formatManifest({ ...manifest, components: await Promise.all(fitted) }));
}

/** A fresh copy of a backup, to be damaged. */
export async function copyOf(directory: string, to: string): Promise<string> {
  await rm(to, { recursive: true, force: true });
  await cp(directory, to, { recursive: true });
  return to;
}

async function components(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith("manifest")).toSorted();
}

async function anyFile(directory: string, random: Random): Promise<string> {
  const files = await components(directory);
  return files[random(files.length)] as string;
}
