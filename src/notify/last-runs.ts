import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { makeDirectorySync, replaceFile } from "../core/durable.ts";
import { exitCodeOf } from "../core/errors.ts";
import { readRegularFile } from "../core/regular-file.ts";
import type { Result } from "../model/result.ts";

const run = z.object({
  stack: z.string(),
  command: z.string(),
  at: z.iso.datetime(),
  result: z.string(),
  class: z.string().optional(),
  exitCode: z.number(),
  seconds: z.number(),
  /** When this command last ended well. */
  succeededAt: z.iso.datetime().optional(),
  backupId: z.string().optional(),
  level: z.string().optional(),
  bytes: z.number().optional(),
  downtimeSeconds: z.number().optional(),
  uploadedAt: z.iso.datetime().optional(),
});

/** The newest run of one command on one stack. */
export type LastRun = z.infer<typeof run>;

const file = z.object({ runs: z.array(run) });

/** Runs that are kept: more than any host has stacks times commands. */
const mostRuns = 500;
const limitBytes = 1024 * 1024;

/**
 * The newest runs on this host, by stack and command: what metrics are written from, and how a recovery is told from one success
 * after another. It is no record of backups: losing it loses nothing but one message.
 */
export class LastRuns {
  readonly runs: readonly LastRun[];
  readonly #path: string;

  private constructor(path: string, runs: readonly LastRun[]) {
    this.#path = path;
    this.runs = runs;
  }

  /** Reads them. A missing or unreadable file is an empty one. */
  static async read(directory: string): Promise<LastRuns> {
    const path = join(directory, "last-runs.json");
    if (!existsSync(path)) return new LastRuns(path, []);
    try {
      const text = await readRegularFile(path, limitBytes);
      return new LastRuns(path, file.parse(JSON.parse(text)).runs);
    } catch {
      return new LastRuns(path, []);
    }
  }

  /** The newest run of a command on a stack. */
  of(stack: string, command: string): LastRun | undefined {
    return this.runs.find((one) => one.stack === stack && one.command === command);
  }

  /** The newest run of a command on any of these stacks. */
  newest(stacks: readonly string[], command: string): LastRun | undefined {
    const found = stacks.flatMap((stack) => this.of(stack, command) ?? []);
    return found.toSorted((a, b) => (a.at < b.at ? 1 : -1))[0];
  }

  /**
   * With one run more, which takes the place of the one before.
   *
   * @param sameAs - other names that stand for its stack
   */
  with(added: LastRun, sameAs: readonly string[] = []): LastRuns {
    const names = [added.stack, ...sameAs];
    const others = this.runs.filter(
      (one) => !names.includes(one.stack) || one.command !== added.command,
    );
    return new LastRuns(this.#path, [added, ...others].slice(0, mostRuns));
  }

  /** @throws the error of the file system. */
  write(): void {
    makeDirectorySync(join(this.#path, ".."), 0o700);
    replaceFile(this.#path, `${JSON.stringify({ runs: this.runs }, null, 1)}\n`);
  }
}

/** A result as a run, after the run before of the same command. */
export function lastRun(
  result: Result,
  about: { readonly stack: string; readonly command: string; readonly at: Date },
  before: LastRun | undefined,
): LastRun {
  const at = about.at.toISOString();
  const exitCode = exitCodeOf[result.result];
  const { bytes, artifact } = result;
  const given = {
    class: result.reason?.class,
    succeededAt: exitCode === 0 ? at : before?.succeededAt,
    backupId: result.backupId ?? before?.backupId,
    level: result.level,
    bytes: typeof bytes === "number" ? bytes : before?.bytes,
    downtimeSeconds: result.downtimeSeconds,
    uploadedAt: artifact === undefined ? before?.uploadedAt : at,
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return {
    ...{ stack: about.stack, command: about.command, at, result: result.result, exitCode },
    seconds: result.seconds,
    ...Object.fromEntries(present),
  };
}
