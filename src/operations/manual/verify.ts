import { randomBytes } from "node:crypto";
import type { Result } from "../../model/result.ts";
import type { Options } from "../../options/parse.ts";
import type { Dependencies } from "../session/command.ts";
import { failureOf, verdictOf } from "../verify/levels.ts";
import type { HandMadeSet } from "./find-files.ts";
import { type ExamineHost, examineSet, summaryOf } from "./read-set.ts";
import { type HandMadeScratchHost, testHandMade } from "./test-restore.ts";

/**
 * Verifies a manual backup as far as possible. `verified` means that every check passed. `unknown` lists what no check
 * could determine, because only backups of this tool record it.
 *
 * @throws CancelledError.
 */
export async function verifyHandMade(
  set: HandMadeSet,
  options: Options,
  dependencies: Dependencies & { readonly host: ExamineHost & HandMadeScratchHost },
): Promise<Result> {
  const { clock } = dependencies;
  const begun = clock.monotonicMs();
  const operationId = `verify-${randomBytes(4).toString("hex")}`;
  const examined = await examineSet(set, options, operationId, dependencies);
  const read = summaryOf(set, examined);
  const wanted = options.level === "restore" && verdictOf(read.checks) === "verified";
  const tried = wanted
    ? await testHandMade({ set, examined, options, operationId }, dependencies)
    : undefined;
  const checks = [...read.checks, ...(tried?.checks ?? [])];
  const unknown = [...read.unknown, ...(tried?.unknown ?? [])];
  const verdict = verdictOf(checks);
  const reached = verdict === "verified" && wanted ? "restore" : "contents";
  const hint =
    verdict === "damaged"
      ? "do not rely on it: make another one, or better `sophon-keeper backup`"
      : "nothing is known to be wrong: make what is missing available and verify again";
  return {
    result: verdict,
    seconds: (clock.monotonicMs() - begun) / 1000,
    path: set.path,
    ...(verdictOf(read.checks) === "verified" ? { level: reached } : {}),
    checks,
    components: examined.map(({ file }) => ({
      name: file.name,
      store: storeNames[file.kind],
      bytes: file.bytes,
    })),
    unknown,
    warnings: [],
    ...(verdict === "verified"
      ? {}
      : { reason: { class: verdict, message: failureOf(checks), hint } }),
  };
}

/** The store to which a kind of file belongs. */
const storeNames = {
  data: "data",
  sql: "postgres",
  dump: "postgres",
  qdrant: "qdrant",
  redis: "redis",
} as const;
