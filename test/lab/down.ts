import { engineVersion, stopOwnEngine } from "./engine.ts";
import { sharedRegistry } from "./registry.ts";
import { removeStacks } from "./removal.ts";
import { run, tryRun } from "./run.ts";
import { labLabel, lockLab } from "./state.ts";
import { step } from "./step.ts";

/**
 * Removes every container, network and volume that the lab made, stops its registry and its engine. Images and the
 * tools stay, so that the next `up` is quick. An engine that the lab did not start keeps running.
 */
export async function labDown(): Promise<void> {
  await using _lock = await lockLab();
  if ((await engineVersion()) !== undefined) {
    await step("remove stacks", async () => String((await removeStacks()).length));
    for (const kind of ["container", "network", "volume"] as const) {
      await step(`remove ${kind}s`, () => removeLabelled(kind));
    }
    await step("remove replaced images", removeReplacedImages);
  }
  await step("registry stopped", async () => (await sharedRegistry()).stop());
  await step("engine stopped", stopOwnEngine);
}

/** Images whose tag went to a newer build. */
async function removeReplacedImages(): Promise<string> {
  const filters = ["--filter", "dangling=true", "--filter", `label=${labLabel}`];
  const ids = lines(await run(["docker", "image", "ls", "--quiet", "--no-trunc", ...filters]));
  // One that something else still builds on or runs stays.
  if (ids.length > 0) await tryRun(["docker", "image", "rm", ...ids]);
  return String(ids.length);
}

async function removeLabelled(kind: "container" | "network" | "volume"): Promise<string> {
  const all = kind === "container" ? ["--all"] : [];
  const list = ["docker", kind, "ls", ...all, "--quiet", "--filter", `label=${labLabel}`];
  const ids = lines(await run(list));
  if (ids.length > 0) {
    const force = kind === "container" ? ["--force", "--volumes"] : [];
    await run(["docker", kind, "rm", ...force, ...ids]);
  }
  return String(ids.length);
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
