import { KeeperError, UnverifiableError } from "../../core/errors.ts";
import type { Check } from "../../model/result.ts";
import type { Stack } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import type { Dependencies } from "../session/command.ts";
import type { Host } from "../session/host.ts";
import { findHandMade, type HandMadeKind, type HandMadeSet } from "./find-files.ts";
import { serverContainer, vaultKeyOf } from "./locate.ts";
import { examineData } from "./read/data.ts";
import { examineDump } from "./read/dump-file.ts";
import type { ExamineContext, Examined } from "./read/read-result.ts";
import { examineRedis } from "./read/redis-file.ts";
import { examineSnapshot } from "./read/snapshot.ts";
import { examineSql } from "./read/sql.ts";

/** The parts of the host for reading manual backups. The tools of some servers run in the stack's images. */
export type ExamineHost = Pick<Host, "workbench" | "readStack">;

const examinations: Readonly<
  Record<HandMadeKind, (file: Examined["file"], context: ExamineContext) => Promise<Examined>>
> = {
  data: examineData,
  sql: examineSql,
  dump: examineDump,
  qdrant: examineSnapshot,
  redis: examineRedis,
};

/** The manual backup at the path in `backup`; undefined for an id, `latest`, or any other path. */
export async function handMadeAt(backup: string): Promise<HandMadeSet | undefined> {
  const isPath = backup.includes("/") || backup === "." || backup.includes(".");
  return isPath ? await findHandMade(backup) : undefined;
}

/**
 * Reads every file of a set to its last byte, one after another.
 *
 * @param operationId - the label of the temporary containers
 * @throws the reason of the signal. A problem with a file is a failed check.
 */
export async function examineSet(
  set: HandMadeSet,
  options: Options,
  operationId: string,
  dependencies: Dependencies & { readonly host: ExamineHost },
): Promise<Examined[]> {
  const { reporter, signal, host } = dependencies;
  // Look for the stack only if a file needs it: the other files can be checked on any machine.
  let looking: Promise<Stack> | undefined;
  const bench = () => host.workbench(operationId, dependencies);
  const context: ExamineContext = {
    signal,
    vaultKey: vaultKeyOf(options),
    imageOf: async (kind) => {
      try {
        looking ??= host.readStack(options, dependencies);
        return serverContainer(await looking, kind, options).imageId;
      } catch (cause) {
        if (!(cause instanceof KeeperError)) throw cause;
        const hint = cause.hint === undefined ? "" : ` (${cause.hint})`;
        const message = `it needs the image of the stack's own ${kind}: ${cause.message}${hint}`;
        throw new UnverifiableError(message, { class: cause.class, cause });
      }
    },
    containers: { runOnce: () => unprepared() },
  };
  const examined: Examined[] = [];
  for (const file of set.files) {
    const needsEngine = file.kind === "dump" || file.kind === "redis";
    const given = needsEngine ? { ...context, ...(await engineOrNone(bench)) } : context;
    const found = await reporter.group(`Read ${file.name}`, () =>
      examinations[file.kind](file, given),
    );
    for (const { status, name, detail } of found.checks) {
      reporter.info(`${status} ${name}: ${detail}`);
    }
    examined.push(found);
  }
  return examined;
}

/** All checks of a set, and everything that could not be determined. */
export function summaryOf(
  set: HandMadeSet,
  examined: readonly Examined[],
): { readonly checks: readonly Check[]; readonly unknown: readonly string[] } {
  const many = examined.length > 1;
  const unknown = examined.flatMap((one) =>
    one.unknown.map((line) => (many ? `${one.file.name}: ${line}` : line)),
  );
  return {
    checks: examined.flatMap(({ checks }) => checks),
    unknown: [
      ...unknown,
      ...(many ? ["whether the files are of the same time: each was made on its own"] : []),
      ...set.older.map(({ name }) => `${name}: not looked at, there is a newer one`),
    ],
  };
}

async function engineOrNone(
  bench: () => ReturnType<Host["workbench"]>,
): Promise<Partial<Pick<ExamineContext, "containers" | "imageOf">>> {
  try {
    return { containers: (await bench()).containers };
  } catch (cause) {
    if (!(cause instanceof KeeperError)) throw cause;
    return {
      imageOf: async () => {
        throw new UnverifiableError(cause.message, { class: cause.class, cause });
      },
    };
  }
}

function unprepared(): never {
  throw new Error("no engine was asked for");
}
