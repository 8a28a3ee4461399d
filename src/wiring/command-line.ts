import { runProcess } from "../cli/process.ts";
import { runTaskProcess } from "../cli/task-process.ts";
import { taskCommand } from "../helper/entry.ts";
import { commands } from "./commands.ts";
import { taskRegistry } from "./tasks.ts";

/** The command line; inside a helper container, the entry for its tasks. */
export async function start(): Promise<void> {
  await (process.argv[2] === taskCommand ? runTaskProcess(taskRegistry) : runProcess(commands));
}
