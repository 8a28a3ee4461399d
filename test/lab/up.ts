import { rm } from "node:fs/promises";
import { ensureAct } from "./act.ts";
import { ensureBaseImage, hasRuntimeImage, makeRuntimeTarball } from "./base-image.ts";
import { ensureEngine, missingEnginePackages } from "./engine.ts";
import { ensureDockerUser } from "./engine-user.ts";
import { ensureStoreImages, ensureTestStoreImages } from "./images.ts";
import { ensureRegistry } from "./registry.ts";
import { ensureSophonImages, ensureStandIns } from "./sophon.ts";
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
    await using _lock = await lockLab();
    const forTests = purpose === "tests" || purpose === "all";
    const tarball = await engineAndRuntime(forTests);
    const standIns = async () => {
      const tier = purpose === "personal" ? "personal" : "enterprise";
      await step("stand-ins", () => ensureStandIns(tier, tarball));
      if (forTests) await step("stand-ins of every version", ensureSophonImages);
    };
    await Promise.all([
      standIns(),
      step("registry", registryHost),
      ...(purpose === "personal" ? [] : [stores(forTests)]),
      ...(forTests ? [user()] : []),
      ...(purpose === "all" ? [step("act", ensureAct)] : []),
    ]);
  });
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

async function stores(forTests: boolean): Promise<void> {
  await step("base image trixie", () => ensureBaseImage("trixie"));
  await step("stores", ensureStoreImages);
  if (!forTests) return;
  await step("base image bookworm", () => ensureBaseImage("bookworm"));
  await step("stores that only tests need", ensureTestStoreImages);
}

async function registryHost(): Promise<string> {
  return (await ensureRegistry()).host;
}

async function user(): Promise<void> {
  if (process.getuid?.() === 0) await step("docker-only user", () => ensureDockerUser());
}
