import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { run, tryRun } from "./run.ts";
import { labLabel, labPath } from "./state.ts";
import { debianKeyring } from "./tools.ts";

/** A Debian release that the lab can make a base image of. */
export type Release = "trixie" | "bookworm";

interface Recipe {
  readonly mirror: string;
  readonly include: readonly string[];
  readonly aptOptions: readonly string[];
  readonly dpkgOptions: readonly string[];
}

const recipePath = join(import.meta.dirname, "images/base/recipe.json");
const runtimePath = join(import.meta.dirname, "images/runtime/recipe.json");

/** The image that the stores are built on: a minimal Debian with curl, CA certificates and gosu. */
export function baseImage(release: Release = "trixie"): string {
  return `sophon-keeper-lab/base:${release}`;
}

/** What the stand-ins run on, with Python and what it needs. */
export const runtimeImage = "sophon-keeper-lab/runtime:trixie";

/** Changes when the base image would: part of the recipe hash of every image built on it. */
export async function baseRecipe(release: Release): Promise<string> {
  return hash([release, await readFile(recipePath, "utf8")]);
}

/** The same for {@link runtimeImage}. */
export async function runtimeRecipe(): Promise<string> {
  return hash([await readFile(recipePath, "utf8"), await readFile(runtimePath, "utf8")]);
}

/** Makes the base image from Debian packages, without an image registry, unless this recipe's image is there. */
export async function ensureBaseImage(release: Release = "trixie"): Promise<string> {
  const recipeHash = await baseRecipe(release);
  const image = baseImage(release);
  if (await hasRecipe(image, recipeHash)) return "up to date";
  const { include } = await readRecipe();
  await importTarball(image, recipeHash, await makeTarball("minbase", release, include));
  return "made";
}

/**
 * Unpacks the packages of the stand-ins into a tarball, which takes a third of the time of installing them. It needs
 * no engine, so it can be made while that is being installed.
 */
export async function makeRuntimeTarball(): Promise<string> {
  const { include } = JSON.parse(await readFile(runtimePath, "utf8")) as Pick<Recipe, "include">;
  return await makeTarball("extract", "trixie", include);
}

/** Whether {@link runtimeImage} is there as it should be; false without an engine. */
export async function hasRuntimeImage(): Promise<boolean> {
  return await hasRecipe(runtimeImage, await runtimeRecipe());
}

/** Makes {@link runtimeImage}, unless it is there, from a tarball that is at hand or a new one. */
export async function ensureRuntimeImage(tarball?: string): Promise<string> {
  if (await hasRuntimeImage()) {
    if (tarball !== undefined) await rm(tarball, { force: true });
    return "up to date";
  }
  await importTarball(runtimeImage, await runtimeRecipe(), tarball ?? (await makeRuntimeTarball()));
  return "made";
}

/** The label that holds the hash of what an image was made from. */
export const recipeLabel = `${labLabel}.recipe`;

/** True when the image exists and was made from exactly this recipe. */
export async function hasRecipe(image: string, recipeHash: string): Promise<boolean> {
  const format = `{{index .Config.Labels "${recipeLabel}"}}`;
  const found = await tryRun(["docker", "image", "inspect", "--format", format, image]);
  return found.code === 0 && found.stdout.trim() === recipeHash;
}

/** A short digest over the parts, each told apart from the next. */
export function hash(parts: readonly (string | Buffer)[]): string {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(`${part.length}:`).update(part);
  return digest.digest("hex").slice(0, 16);
}

async function readRecipe(): Promise<Recipe> {
  return JSON.parse(await readFile(recipePath, "utf8")) as Recipe;
}

async function makeTarball(
  variant: "minbase" | "extract",
  release: Release,
  include: readonly string[],
): Promise<string> {
  const { mirror, aptOptions, dpkgOptions } = await readRecipe();
  const tarball = await labPath(`${variant}-${release}-${process.pid}.tar`);
  const argv = [
    "mmdebstrap",
    `--variant=${variant}`,
    `--include=${include.join(",")}`,
    ...aptOptions.map((option) => `--aptopt=${option}`),
    ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
    `--keyring=${debianKeyring}`,
    release,
    tarball,
    mirror,
  ];
  try {
    await run(argv);
    return tarball;
  } catch (error) {
    await rm(tarball, { force: true });
    throw error;
  }
}

async function importTarball(image: string, recipeHash: string, tarball: string): Promise<void> {
  try {
    const labels = [`LABEL ${labLabel}=1`, `LABEL ${recipeLabel}=${recipeHash}`, "CMD bash"];
    const changes = labels.flatMap((change) => ["--change", change]);
    await run(["docker", "import", ...changes, tarball, image]);
  } finally {
    await rm(tarball, { force: true });
  }
}
