import { formatSeconds } from "../core/format.ts";
import type { Timing } from "../core/timing.ts";

/** The commands of Compose that change something; those that only look would fill the log. */
const changing = /^docker compose (?:.* )?(up|create|start|stop|restart|kill|rm|down|pull|run)\b/;

/**
 * The line by which the log of a workflow shows a command, as every action does: once it has ended, with its duration. What only
 * looks, and what is no program, has none.
 */
export function shownCommand({ what, name, startMs, endMs }: Timing): string | undefined {
  if (what !== "program" || !changing.test(name)) return undefined;
  return `[command]${name} (${formatSeconds((endMs - startMs) / 1000)})`;
}
