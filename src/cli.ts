import { runProcess } from "./cli/process.ts";
import { commands } from "./wiring.ts";

await runProcess(commands);
