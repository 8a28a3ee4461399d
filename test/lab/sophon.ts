import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureRuntimeImage, hash, runtimeImage } from "./base-image.ts";
import { ensureImage, type ImageRecipe } from "./images.ts";
import type { Tier } from "./lab-stack.ts";
import { run, tryRun } from "./run.ts";
import { lockLab } from "./state.ts";
import type { GatewayVersion } from "./versions.ts";

const imagesDirectory = join(import.meta.dirname, "images");

/** Python with the clients of every store: the stand-ins are made from it, the lab's scripts run in it. */
export const pythonImage = `sophon-keeper-lab/python:${folderHash("python")}`;

/** The gateway stand-in without a version; an image a version is made on top of it. */
const gatewayBase = `sophon-keeper-lab/gateway:base-${folderHash("gateway")}`;

/** The reference of the Qdrant stand-in of one version. */
export function qdrantImage(version = "1.17.1"): string {
  return `sophon-keeper-lab/qdrant:${version}-${folderHash("qdrant")}`;
}

/** The reference of the dashboard stand-in of one version. */
export function dashboardImage(version = "1.1.0"): string {
  return `sophon-keeper-lab/dashboard:${version}-${folderHash("dashboard")}`;
}

/** Builds what every stack of a tier needs, whatever its versions. The caller holds the lab's lock. */
export async function ensureStandIns(tier: Tier, runtimeTarball?: string): Promise<string> {
  await ensureRuntimeImage(runtimeTarball);
  const python = { image: pythonImage, directory: join(imagesDirectory, "python") };
  await ensureImage({ ...python, base: { image: runtimeImage, recipe: folderHash("python") } });
  await ensureImage(recipe(gatewayBase, "gateway"));
  if (tier !== "personal") await ensureImage(recipe(qdrantImage(), "qdrant"));
  return `stand-ins of ${tier}`;
}

/** Builds the dashboard and Qdrant stand-ins of a version and returns the reference. */
export async function standIn(service: "dashboard" | "qdrant", version: string): Promise<string> {
  await using _lock = await lockLab();
  const image = service === "qdrant" ? qdrantImage(version) : dashboardImage(version);
  await ensureImage(recipe(image, service, version));
  return image;
}

/** Builds the gateway stand-in of one version, unless it is there, and returns its local reference. */
export async function gatewayImage(version: GatewayVersion): Promise<string> {
  await using _lock = await lockLab();
  return await buildGateway(version);
}

async function buildGateway(version: GatewayVersion): Promise<string> {
  const base = (
    await run(["docker", "image", "inspect", "--format", "{{.Id}}", gatewayBase])
  ).trim();
  const content = JSON.stringify(version);
  const image = `sophon-keeper-lab/gateway:${version.version}-${hash([base, content]).slice(0, 12)}`;
  if ((await tryRun(["docker", "image", "inspect", image])).code === 0) return image;
  const directory = await mkdtemp(join(tmpdir(), "sophon-keeper-lab-version-"));
  try {
    await writeFile(join(directory, "version.json"), content);
    await writeFile(join(directory, "Dockerfile"), gatewayDockerfile(version));
    await run(["docker", "build", "--quiet", "--tag", image, directory]);
  } finally {
    await rm(directory, { recursive: true });
  }
  return image;
}

function gatewayDockerfile(version: GatewayVersion): string {
  return [
    `FROM ${gatewayBase}`,
    `LABEL sophon-keeper.lab=1 org.opencontainers.image.version=${JSON.stringify(version.version)}`,
    "COPY --chmod=0644 version.json /app/version.json",
    `USER ${version.user ?? "1654:1654"}`,
    "",
  ].join("\n");
}

function recipe(image: string, name: string, version?: string): ImageRecipe {
  const key = name === "qdrant" ? "QDRANT_VERSION" : "SOPHON_DASHBOARD_VERSION";
  const args = { RUNTIME: pythonImage, ...(version === undefined ? {} : { [key]: version }) };
  const base = { image: pythonImage, recipe: folderHash("python") };
  return { image, directory: join(imagesDirectory, name), args, base };
}

/**
 * What an image is made from, as a part of its tag: checkouts of several revisions share one engine, and none may
 * replace what another is about to use.
 */
function folderHash(name: string): string {
  const parts = [name, "python", "runtime"].flatMap((folder) => {
    const entries = readdirSync(join(imagesDirectory, folder), {
      recursive: true,
      withFileTypes: true,
    });
    return entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".pyc"))
      .map((entry) => join(entry.parentPath, entry.name));
  });
  const sorted = parts.toSorted((a, b) => (a < b ? -1 : 1));
  return hash(
    sorted.flatMap((path) => [path.slice(imagesDirectory.length), readFileSync(path)]),
  ).slice(0, 8);
}
