import { once } from "node:events";
import { ExecError } from "../../core/exec.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { type CheckSubject, countsCheck, failedCheck } from "../check-result.ts";
import type { CheckContext, Counts } from "../store.ts";
import { tableCount } from "./catalog.ts";
import { CopyCounter, type CopyCounts } from "./copy-counter.ts";
import { readGlobals, settingsIn } from "./globals.ts";

/** Exit codes of `docker run` itself: the image is missing, or it does not have the program. */
export const ENGINE_EXIT_CODES = [125, 126, 127];

/** Checks a PostgreSQL component without a server: the globals, or the dump of one database. */
export async function checkPostgres(component: Component, context: CheckContext): Promise<Check[]> {
  const globals = component.details.role === "globals";
  const subject = { name: globals ? "globals" : "pg_restore", component: component.name };
  try {
    return globals
      ? [await checkGlobals(component, context, subject)]
      : await checkDump(component, context, subject);
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof ExecError && ENGINE_EXIT_CODES.includes(error.exitCode ?? 0)) {
      return [{ ...subject, status: "unverifiable", detail: error.message }];
    }
    return [failedCheck(subject, error)];
  }
}

async function checkGlobals(
  component: Component,
  context: CheckContext,
  subject: CheckSubject,
): Promise<Check> {
  const { databases, files } = await readGlobals(await context.open(component));
  const names = JSON.stringify(databases.map(({ datname }) => datname));
  const same = names === JSON.stringify(component.details.databases);
  const { settings } = component.details;
  const [there, recorded] = [settingsIn(files), settings ?? []];
  if (JSON.stringify(there) !== JSON.stringify(recorded)) {
    return { ...subject, status: "fail", detail: "the settings differ from the recorded ones" };
  }
  const set = component.warnings.length > 0 ? "unknown" : there.length;
  const detail = `complete, with ${databases.length} databases; settings of ALTER SYSTEM: ${settings === undefined ? "not in the backup" : set}`;
  return same
    ? { ...subject, status: "pass", detail }
    : {
        ...subject,
        status: "fail",
        detail: `the databases ${names} differ from the recorded ones`,
      };
}

/**
 * Reads all data with the `pg_restore` of the image recorded in the backup, and counts the rows. `pg_restore --list`
 * reads only the header of a dump and accepts a truncated one.
 */
async function checkDump(
  component: Component,
  context: CheckContext,
  subject: CheckSubject,
): Promise<Check[]> {
  const image = context.manifest.services[component.service ?? ""]?.imageId;
  if (image === undefined) {
    return [
      { ...subject, status: "unverifiable", detail: "the manifest has no image for its service" },
    ];
  }
  const found = await countDumpRows(() => context.open(component), image, context);
  const database = String(component.details.database);
  const tables = Object.fromEntries(
    found.tables.map(([schema, table, rows]) => [tableCount(database, schema, table), rows]),
  );
  const counts = { ...tables, [`sequences ${database}`]: found.sequences };
  return [
    { ...subject, status: "pass", detail: `${found.tables.length} tables, read to the last byte` },
    countsCheck(
      { name: "counts", component: component.name },
      recordedCounts(component, database),
      counts,
    ),
  ];
}

/**
 * Reads all data of a dump with the `pg_restore` of an image, and counts the rows.
 *
 * @throws ExecError with the message of `pg_restore` when it cannot read the whole dump or cannot be started.
 */
export async function countDumpRows(
  open: () => Promise<AsyncIterable<Buffer>>,
  image: string,
  context: {
    readonly containers: Pick<CheckContext["containers"], "runOnce">;
    readonly signal: AbortSignal;
  },
): Promise<CopyCounts> {
  const restore = context.containers.runOnce(
    image,
    ["pg_restore", "--data-only", "--file=-"],
    // English messages; the result is its exit code.
    { env: { LC_ALL: "C" }, pipeInput: true, signal: context.signal },
  );
  const counter = new CopyCounter();
  restore.stdout.on("data", (chunk: Buffer) => counter.update(chunk));
  restore.done.catch(() => undefined);
  try {
    for await (const chunk of await open()) {
      // After `pg_restore` has ended there is no `drain` event; `done` has the reason why it ended.
      if (!restore.stdin.write(chunk)) {
        await Promise.race([once(restore.stdin, "drain"), restore.done]);
      }
    }
    restore.stdin.end();
    await restore.done;
  } catch (error) {
    // A program that reads no more has ended, and tells why itself.
    const hasEnded = (error as NodeJS.ErrnoException).code === "EPIPE";
    if (!hasEnded) restore.kill(0);
    await restore.done.catch((ended: unknown) => {
      if (hasEnded) throw ended;
    });
    throw error;
  }
  return counter.counts();
}

/** The recorded counts that a dump shows: all tables, and the number of sequences. */
function recordedCounts(component: Component, database: string): Counts {
  const names = Object.keys(component.counts);
  const tables = names.filter((name) => name.startsWith(`table ${database} `));
  const recorded = Object.fromEntries(tables.map((name) => [name, component.counts[name] ?? 0]));
  const sequences = component.details.sequences;
  return typeof sequences === "number"
    ? { ...recorded, [`sequences ${database}`]: sequences }
    : recorded;
}
