import { ensureAct } from "./act.ts";
import { ensureBaseImage } from "./base-image.ts";
import { ensureEngine } from "./engine.ts";
import { ensureDockerUser } from "./engine-user.ts";
import { ensureStoreImages } from "./images.ts";
import { ensureRegistry } from "./registry.ts";
import { ensureSophonImages } from "./sophon.ts";
import { lockLab } from "./state.ts";
import { step } from "./step.ts";
import { missingLabPackages } from "./tools.ts";

/**
 * Makes the whole lab ready: tools, engine, images, registry, act. Each part is made only if it is missing, so a
 * second call takes about a second; several processes may call it at once.
 */
export async function labUp(): Promise<void> {
  await step("lab", async () => {
    await using _lock = await lockLab();
    await step("engine and tools", async () => ensureEngine(await missingLabPackages()));
    // act compiles on what the network-bound image builds leave of the processors.
    await Promise.all([images(), act(), step("registry", registryHost), user()]);
  });
}

async function images(): Promise<void> {
  await step("base image trixie", () => ensureBaseImage("trixie"));
  await Promise.all([
    step("stores", () => ensureStoreImages("trixie")),
    step("stand-ins", ensureSophonImages),
    olderPostgres(),
  ]);
}

async function olderPostgres(): Promise<void> {
  await step("base image bookworm", () => ensureBaseImage("bookworm"));
  await step("older stores", () => ensureStoreImages("bookworm"));
}

/** Only the tests of the action need act, and they tell why they skip; in CI its absence is a failure. */
async function act(): Promise<void> {
  try {
    await step("act", ensureAct);
  } catch (error) {
    if (process.env.CI === "true") throw error;
    console.error(`lab: going on without act: ${String(error)}`);
  }
}

async function registryHost(): Promise<string> {
  return (await ensureRegistry()).host;
}

async function user(): Promise<void> {
  if (process.getuid?.() === 0) await step("docker-only user", () => ensureDockerUser());
}
