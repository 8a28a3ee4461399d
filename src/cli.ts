import { runProcess } from "./cli/process.ts";
import { runTaskProcess } from "./cli/task.ts";
import { taskCommand } from "./helper/entry.ts";
import { commands, tasks } from "./wiring.ts";

await (process.argv[2] === taskCommand ? runTaskProcess(tasks) : runProcess(commands));
