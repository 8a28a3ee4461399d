import { scan } from "../../log-scan/scan.ts";
import type { Check } from "../../model/result.ts";
import { readLog } from "../../stack/logs.ts";
import type { RestoreSession } from "./journal.ts";
import type { PreparedContainer } from "./prepare.ts";

/**
 * Searches the logs since the start for signs of bad data. An empty or unreadable log is no failure, because health and
 * counts were checked before.
 */
export async function judgeLogs(
  { host, containers, options, dependencies }: RestoreSession,
  started: readonly PreparedContainer[],
): Promise<Check[]> {
  const engine = await host.engine();
  const checks: Check[] = [];
  for (const { id, service } of started) {
    const now = await containers.inspect(id);
    if (now?.state !== "running") continue;
    const since = Math.floor(Date.parse(now.startedAt) / 1000);
    const text = await readLog(engine, id, since).catch(() => undefined);
    dependencies.signal.throwIfAborted();
    if (text === undefined) continue;
    const { logAllow: allow, logDeny: deny } = options;
    const { verdict, decisive } = scan(text, { state: "running", allow, deny });
    const subject = { name: "log", component: service };
    if (verdict === "failed" && decisive !== undefined) {
      const detail = `${decisive.class}: ${decisive.evidence}`;
      checks.push({ ...subject, status: "fail", detail });
    } else if (verdict === "clean") {
      checks.push({ ...subject, status: "pass", detail: "no sign of failure" });
    }
  }
  return checks;
}
