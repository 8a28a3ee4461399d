import { runPost } from "./action/post.ts";
import { commands } from "./wiring.ts";

await runPost(commands);
