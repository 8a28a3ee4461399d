import { runStep } from "./action/run.ts";
import { commands } from "./wiring/commands.ts";

await runStep(commands);
