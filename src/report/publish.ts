import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { describeError, exitCodeOf, exitCodes } from "../core/errors.ts";
import { visibleText } from "../core/visible.ts";
import type { Result } from "../model/result.ts";
import { LastRuns, lastRun } from "../notify/last-runs.ts";
import type { Message } from "../notify/message.ts";
import { metricsText } from "../notify/metrics.ts";
import { eventOf, notify, notifyStart } from "../notify/notify.ts";
import type { PageFacts } from "./page.ts";
import { writePage, writeWhole } from "./page-file.ts";
import { headline, isGood, verdictFacts } from "./verdict-text.ts";

/** What the user asked for besides the result itself. */
interface PublishOptions {
  readonly command: string;
  readonly dryRun: boolean;
  readonly reportPath?: string | undefined;
  readonly metricsPath?: string | undefined;
  readonly notify: readonly string[];
  readonly notifyOn: readonly string[];
  readonly projectName?: string | undefined;
  readonly projectDirectory?: string | undefined;
}

/** What publishing needs from its process. */
interface PublishDependencies {
  readonly clock: Clock;
  readonly version: string;
  readonly host: string;
  readonly home: string | undefined;
  readonly warn: (text: string) => void;
}

/** Whether this run is one that others count: a plan and a list are none. */
function isCounted({ command, dryRun }: PublishOptions): boolean {
  return (
    !dryRun &&
    !["init", "list", "ls", "find", "diff", "doctor", "report", "scan-log"].includes(command)
  );
}

/** Tells the services that watch for runs which never end that one begins. Never throws. */
export async function publishStart(
  options: PublishOptions,
  warn: (text: string) => void,
): Promise<void> {
  if (isCounted(options)) await notifyStart(options.notify, warn);
}

/**
 * Writes the report and the metrics of a masked result, and tells those who want to be told. Never throws: the result of the
 * run stays what it is, and what could not be done is a warning.
 */
export async function publish(
  result: Result,
  options: PublishOptions,
  { clock, version, host, home, warn }: PublishDependencies,
): Promise<void> {
  const { command, reportPath, metricsPath } = options;
  const at = clock.now();
  const about = { version, command, at, host, stack: stackOf(options, result) };
  const tried = async (what: string, work: () => Promise<void>) => {
    await work().catch((error: unknown) => warn(`${what}: ${describeError(error)}`));
  };
  // The command itself has written the page of the history.
  if (reportPath !== undefined && command !== "report") {
    await tried("the report could not be written", () => writePage(reportPath, result, about));
  }
  if (!isCounted(options) || (metricsPath === undefined && options.notify.length === 0)) return;
  const stack = about.stack ?? "";
  const runs = await LastRuns.read(stateDirectory(home));
  // A run that fails early never gets to know the name of a stack that nobody named.
  const { projectName, projectDirectory } = options;
  const unnamed = (projectName ?? projectDirectory) === undefined ? [""] : [];
  const before = runs.newest([stack, ...unnamed], command);
  const now = runs.with(lastRun(result, { stack, command, at }, before), unnamed);
  await tried("this run could not be remembered", async () => now.write());
  if (metricsPath !== undefined) {
    const text = metricsText(now.runs);
    await tried("the metrics could not be written", () => writeWhole(metricsPath, text));
  }
  const event = eventOf(isGood(result), before);
  const told = { message: messageOf(result, about), event, wanted: options.notifyOn };
  await notify(options.notify, told, { clock, warn });
}

function messageOf(result: Result, about: PageFacts): Message {
  const { command, host, stack, at } = about;
  const where = stack === undefined ? host : `${stack} on ${host}`;
  const { reason, warnings = [] } = result;
  const lines = [
    ...(reason === undefined ? [] : [reason.message, reason.hint ?? ""]),
    `${command}: ${verdictFacts(result).join(", ")}`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
  return {
    title: visibleText(`${headline(result, command)} (${where})`),
    text: visibleText(lines.filter((line) => line !== "").join("\n")),
    isGood: isGood(result),
    isUrgent: exitCodeOf[result.result] === exitCodes.needsPerson,
    ...{ host, stack, command, at, result },
  };
}

/** The stack's name: as the user gave it, else from the id of the backup. */
function stackOf(
  { projectName, projectDirectory }: PublishOptions,
  { backupId }: Result,
): string | undefined {
  return projectName ?? projectDirectory ?? backupId?.replace(/-\d{8}T\d{6}Z-[0-9a-f]{4}$/, "");
}

/** Where this user's program keeps its own files. */
function stateDirectory(home: string | undefined): string {
  if (process.geteuid?.() === 0) return "/var/lib/sophon-keeper";
  return join(home ?? "/", ".local/share/sophon-keeper");
}
