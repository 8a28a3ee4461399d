import { decode } from "./decode.ts";
import { toMs } from "./physical-line.ts";
import { toRecord } from "./record.ts";

/**
 * How long each migration took that a log with times announces, in seconds by its name: from its announcement to the
 * next one, or to the last statement before anything else. Of a migration that was begun again, the last time counts.
 * Pure.
 */
export function migrationTimes(stampedLog: string): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  let open: { readonly id: string; readonly fromMs: number; toMs: number } | undefined;
  const close = () => {
    if (open !== undefined) found[open.id] = Math.max(0, (open.toMs - open.fromMs) / 1000);
    open = undefined;
  };
  decode(stampedLog, (event) => {
    const { kind, migration, stamp } = toRecord(event);
    const atMs = toMs(stamp);
    if (kind === "applying") {
      if (open !== undefined && atMs !== undefined) open.toMs = atMs;
      close();
      if (migration && atMs !== undefined) open = { id: migration, fromMs: atMs, toMs: atMs };
    } else if (open !== undefined && kind === "executed" && atMs !== undefined) open.toMs = atMs;
    else if (kind === "up-to-date" || kind === "started") close();
  });
  close();
  return found;
}
