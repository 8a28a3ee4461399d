import { listenForSignals } from "../core/cancel.ts";
import type { NamedResponder, NamedTask } from "../core/task.ts";
import { runTaskEntry } from "../helper/entry.ts";

/** The hidden command `__task`: this process is inside a helper container and runs the tasks it is given. */
export async function runTaskProcess(
  registry: readonly (NamedTask<never, unknown> | NamedResponder<never, unknown>)[],
): Promise<void> {
  const { stdin, stdout } = process;
  // Whoever started this reads the messages; a second signal changes nothing.
  const { signal } = listenForSignals(() => undefined);
  // Parameters come as JSON: only the task itself knows their type.
  const tasks = registry as unknown as Parameters<typeof runTaskEntry>[0];
  await runTaskEntry(tasks, { stdin, stdout, signal });
  stdout.write("", () => process.exit(0));
}
