import { runStep } from "./action/run.ts";
import { commands } from "./wiring.ts";

await runStep(commands);
