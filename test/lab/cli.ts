import { actPath } from "./act.ts";
import { labDown } from "./down.ts";
import { engineVersion, ownsEngine } from "./engine.ts";
import { sharedRegistry } from "./registry.ts";
import { tryRun } from "./run.ts";
import { labDirectory, labLabel } from "./state.ts";
import { labUp } from "./up.ts";

const commands: Readonly<Record<string, () => Promise<void>>> = {
  up: () => labUp("all"),
  down: labDown,
  status,
};

const command = commands[process.argv[2] ?? ""];
if (command === undefined) {
  console.error(`usage: npm run lab ${Object.keys(commands).join("|")}`);
  process.exitCode = 2;
} else {
  await command();
}

async function status(): Promise<void> {
  const engine = await engineVersion();
  const ours = (await ownsEngine()) ? "started by the lab" : "not the lab's";
  console.log(`directory  ${labDirectory()}`);
  console.log(`engine     ${engine === undefined ? "down" : `${engine}, ${ours}`}`);
  const registry = await sharedRegistry();
  console.log(`registry   ${registry.host}, ${(await registry.reachable()) ? "up" : "down"}`);
  console.log(
    `act        ${(await tryRun([actPath(), "--version"])).stdout.trim() || "not built"}`,
  );
  if (engine === undefined) return;
  const filter = ["--filter", `label=${labLabel}`];
  const images = ["docker", "images", ...filter, "--format", "{{.Repository}}:{{.Tag}} {{.Size}}"];
  console.log(`images\n${(await tryRun(images)).stdout}`);
  const running = ["docker", "ps", "-a", ...filter, "--format", "{{.Names}} {{.Status}}"];
  console.log(`containers\n${(await tryRun(running)).stdout}`);
}
