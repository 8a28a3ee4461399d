import { rm } from "node:fs/promises";
import { ensureAct } from "./act.ts";
import { ensureBaseImage, hasRuntimeImage, makeRuntimeTarball } from "./base-image.ts";
import { ensureEngine, missingEnginePackages } from "./engine.ts";
import { ensureDockerUser } from "./engine-user.ts";
import { ensureStoreImages } from "./images.ts";
import { ensureRegistry } from "./registry.ts";
import { ensureStandIns } from "./sophon.ts";
import { lockLab } from "./state.ts";
import { step } from "./step.ts";
import { installPackages, missingImagePackages, missingLabPackages } from "./tools.ts";

/** What the lab is wanted for: a stack of a tier and nothing else, the tests, or all of it with act. */
export type LabPurpose = "personal" | "enterprise" | "tests" | "all";

/** Set by who has made the lab ready before it starts vitest, to `up`, or to `listed` when nothing is run at all. */
export const setUpVariable = "SOPHON_KEEPER_LAB_READY";

/** Whether there is nothing to set up. */
export function isSetUp(): boolean {
  return process.env[setUpVariable] !== undefined;
}

/**
 * Makes the lab ready: tools, engine, images, registry. Each part is made only if it is missing, so a second call takes
 * about a second; several processes may call it at once.
 */
export async function labUp(purpose: LabPurpose = "tests"): Promise<void> {
  await step("lab", async () => {
    const { stores } = await beginLab(purpose);
    await stores;
  });
}

/** Makes ready what a Personal stack needs. `stores`, which has begun then, makes what the larger tiers need. */
export async function beginLab(purpose: LabPurpose): Promise<{ readonly stores: Promise<void> }> {
  await using _lock = await lockLab();
  const forTests = purpose === "tests" || purpose === "all";
  const tarball = await engineAndRuntime(forTests);
  const tier = purpose === "personal" ? "personal" : "enterprise";
  const stores = tier === "personal" ? Promise.resolve() : makeStores();
  // Whoever awaits it is told.
  stores.catch(() => undefined);
  await Promise.all([
    step("stand-ins", () => ensureStandIns(tier, tarball)),
    step("registry", registryHost),
    ...(forTests ? [user()] : []),
    ...(purpose === "all" ? [step("act", ensureAct)] : []),
  ]);
  return { stores };
}

/** The stand-ins' packages are unpacked while the engine is installed. One that is installed tells first what it has. */
async function engineAndRuntime(forTests: boolean): Promise<string | undefined> {
  const packages = [...(await missingEnginePackages()), ...(await missingLabPackages(forTests))];
  const engine = () => step("engine and tools", () => ensureEngine(packages));
  if (packages.length === 0) await engine();
  const hasRuntime = await hasRuntimeImage();
  if (!hasRuntime)
    await step("mmdebstrap", async () => installPackages(await missingImagePackages()));
  const unpack = () => step("packages of the stand-ins", makeRuntimeTarball);
  const [started, unpacked] = await Promise.allSettled([
    packages.length === 0 ? undefined : engine(),
    hasRuntime ? undefined : unpack(),
  ]);
  if (unpacked.status === "rejected") throw unpacked.reason;
  if (started.status === "fulfilled") return unpacked.value;
  if (unpacked.value !== undefined) await rm(unpacked.value, { force: true });
  throw started.reason;
}

async function makeStores(): Promise<void> {
  await using _lock = await lockLab("stores.lock");
  await step("base image trixie", () => ensureBaseImage("trixie"));
  await step("stores", ensureStoreImages);
}

async function registryHost(): Promise<string> {
  return (await ensureRegistry()).host;
}

async function user(): Promise<void> {
  if (process.getuid?.() === 0) await step("docker-only user", () => ensureDockerUser());
}
