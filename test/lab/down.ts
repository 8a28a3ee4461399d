import { engineVersion, stopOwnEngine } from "./engine.ts";
import { sharedRegistry } from "./registry.ts";
import { run } from "./run.ts";
import { labLabel, lockLab } from "./state.ts";
import { step } from "./step.ts";

/**
 * Removes every container, network and volume that the lab made, stops its registry and its engine. Images and the
 * tools stay, so that the next `up` is quick. An engine that the lab did not start keeps running.
 */
export async function labDown(): Promise<void> {
  await using _lock = await lockLab();
  if ((await engineVersion()) !== undefined) {
    for (const kind of ["container", "network", "volume"] as const) {
      await step(`remove ${kind}s`, () => removeLabelled(kind));
    }
  }
  await step("registry stopped", async () => (await sharedRegistry()).stop());
  await step("engine stopped", stopOwnEngine);
}

async function removeLabelled(kind: "container" | "network" | "volume"): Promise<string> {
  const all = kind === "container" ? ["--all"] : [];
  const list = ["docker", kind, "ls", ...all, "--quiet", "--filter", `label=${labLabel}`];
  const ids = (await run(list)).split("\n").filter((id) => id !== "");
  if (ids.length > 0) {
    const force = kind === "container" ? ["--force", "--volumes"] : [];
    await run(["docker", kind, "rm", ...force, ...ids]);
  }
  return String(ids.length);
}
