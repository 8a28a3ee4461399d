import { runPost } from "./action/post.ts";
import { commands } from "./wiring/commands.ts";

await runPost(commands);
