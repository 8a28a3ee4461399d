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

/** The image that everything in the lab is built on: a minimal Debian with curl, CA certificates and gosu. */
export function baseImage(release: Release = "trixie"): string {
  return `sophon-keeper-lab/base:${release}`;
}

/** Changes when the base image would: part of the recipe hash of every image built on it. */
export async function baseRecipe(release: Release): Promise<string> {
  return hash([release, await readFile(recipePath, "utf8")]);
}

/** Makes the base image from Debian packages, without an image registry, unless this recipe's image is there. */
export async function ensureBaseImage(release: Release = "trixie"): Promise<string> {
  const recipeHash = await baseRecipe(release);
  if (await hasRecipe(baseImage(release), recipeHash)) return "up to date";
  const recipe: Recipe = JSON.parse(await readFile(recipePath, "utf8"));
  const tarball = await labPath(`base-${release}-${process.pid}.tar`);
  try {
    await run(mmdebstrapArgv(recipe, release, tarball));
    const labels = [`LABEL ${labLabel}=1`, `LABEL ${recipeLabel}=${recipeHash}`, "CMD bash"];
    const changes = labels.flatMap((change) => ["--change", change]);
    await run(["docker", "import", ...changes, tarball, baseImage(release)]);
  } finally {
    await rm(tarball, { force: true });
  }
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

function mmdebstrapArgv(recipe: Recipe, release: Release, tarball: string): string[] {
  return [
    "mmdebstrap",
    "--variant=minbase",
    `--include=${recipe.include.join(",")}`,
    ...recipe.aptOptions.map((option) => `--aptopt=${option}`),
    ...recipe.dpkgOptions.map((option) => `--dpkgopt=${option}`),
    `--keyring=${debianKeyring}`,
    release,
    tarball,
    recipe.mirror,
  ];
}
