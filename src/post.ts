import { runPost } from "./action/post-step.ts";
import { commands } from "./wiring/commands.ts";

await runPost(commands);
