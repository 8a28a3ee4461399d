import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  baseImage,
  baseRecipe,
  ensureBaseImage,
  hash,
  hasRecipe,
  type Release,
  recipeLabel,
} from "./base-image.ts";
import { run } from "./run.ts";
import { labLabel, lockLab } from "./state.ts";

/** The stores' images, real servers from Debian that take the official images' variables and volumes. */
export const storeImages = {
  postgres17: "sophon-keeper-lab/postgres:17",
  postgres15: "sophon-keeper-lab/postgres:15",
  redis8: "sophon-keeper-lab/redis:8",
  rabbitmq4: "sophon-keeper-lab/rabbitmq:4",
  /** No store of its own: it stands for the databases that are backed up as volumes. */
  mariadb: "sophon-keeper-lab/mariadb:11",
  /** The same programs in an image without a volume, for what asks the server. */
  mariadbClient: "sophon-keeper-lab/mariadb-client:11",
} as const;

/** An image built from a folder with a Dockerfile that starts with `ARG BASE` and `FROM ${BASE}`. */
export interface ImageRecipe {
  readonly image: string;
  readonly directory: string;
  /** The Debian release below it, or another image of the lab and what that is made from. Default: trixie. */
  readonly base?: Release | { readonly image: string; readonly recipe: string };
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
}

const imagesDirectory = join(import.meta.dirname, "images");

/** The stores of a stack. */
const trixieStores: readonly ImageRecipe[] = [
  {
    image: storeImages.postgres17,
    directory: join(imagesDirectory, "postgres"),
    args: { PG_MAJOR: "17" },
  },
  { image: storeImages.redis8, directory: join(imagesDirectory, "redis") },
  { image: storeImages.rabbitmq4, directory: join(imagesDirectory, "rabbitmq") },
];

/** Builds the stores of a stack that are not up to date. The trixie base image must be there. */
export async function ensureStoreImages(): Promise<string> {
  return await ensureImages(trixieStores);
}

/** Builds PostgreSQL 15, which is bookworm's. For the few tests that cross major versions, which build it themselves. */
export async function ensurePostgres15(): Promise<string> {
  await using _lock = await lockLab("postgres15.lock");
  await ensureBaseImage("bookworm");
  const directory = join(imagesDirectory, "postgres");
  const args = { PG_MAJOR: "15" };
  return await ensureImages([{ image: storeImages.postgres15, directory, base: "bookworm", args }]);
}

/** Builds MariaDB. For the few tests that need it, which build it themselves. */
export async function ensureMariadb(): Promise<string> {
  const directory = join(imagesDirectory, "mariadb");
  return await ensureImages([
    { image: storeImages.mariadbClient, directory, target: "client" },
    { image: storeImages.mariadb, directory, target: "server" },
  ]);
}

async function ensureImages(recipes: readonly ImageRecipe[]): Promise<string> {
  // One after the other: two builds at a time fight for two cores, and the last two share their layers.
  const states: string[] = [];
  for (const recipe of recipes) states.push(`${recipe.image} ${await ensureImage(recipe)}`);
  return states.join(", ");
}

/** Builds an image unless the one that is there was made from the same folder, arguments and base. */
export async function ensureImage(recipe: ImageRecipe): Promise<"built" | "up to date"> {
  const recipeHash = await imageRecipeHash(recipe);
  if (await hasRecipe(recipe.image, recipeHash)) return "up to date";
  const { base } = recipe;
  const args = { BASE: typeof base === "object" ? base.image : baseImage(base), ...recipe.args };
  await run([
    "docker",
    "build",
    "--quiet",
    ...Object.entries(args).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]),
    ...["--label", `${labLabel}=1`, "--label", `${recipeLabel}=${recipeHash}`],
    ...(recipe.target === undefined ? [] : ["--target", recipe.target]),
    ...["--tag", recipe.image, recipe.directory],
  ]);
  return "built";
}

async function imageRecipeHash(recipe: ImageRecipe): Promise<string> {
  const { base = "trixie" } = recipe;
  const parts: (string | Buffer)[] = [
    typeof base === "object" ? base.recipe : await baseRecipe(base),
    JSON.stringify([recipe.args ?? {}, recipe.target ?? ""]),
  ];
  const entries = await readdir(recipe.directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  for (const path of files.map((file) => join(file.parentPath, file.name)).sort()) {
    parts.push(path.slice(recipe.directory.length), await readFile(path));
  }
  return hash(parts);
}
