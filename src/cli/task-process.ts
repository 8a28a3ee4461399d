import { listenForSignals } from "../core/cancel.ts";
import type { NamedResponder, NamedTask } from "../core/task.ts";
import { runTaskEntry } from "../helper/entry.ts";

/** The hidden command `__task`: this process runs inside a helper container and executes the tasks it is given. */
export async function runTaskProcess(
  registry: readonly (NamedTask<never, unknown> | NamedResponder<never, unknown>)[],
): Promise<void> {
  const { stdin, stdout } = process;
  // The process that started this one reads the messages. A second signal changes nothing.
  const { signal } = listenForSignals(() => undefined);
  // Parameters arrive as JSON; only the task knows their type.
  const tasks = registry as unknown as Parameters<typeof runTaskEntry>[0];
  await runTaskEntry(tasks, { stdin, stdout, signal });
  stdout.write("", () => process.exit(0));
}
