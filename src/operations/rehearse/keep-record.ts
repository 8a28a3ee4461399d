import { createHash } from "node:crypto";
import { describeError } from "../../core/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Prediction } from "../../model/rehearsal.ts";
import type { ResultName } from "../../model/result.ts";
import type { ComposeModel } from "../../model/stack.ts";
import type { Options } from "../../options/parse.ts";
import {
  listRehearsals,
  type RehearsalRecord,
  writeRehearsal,
} from "../../repository/rehearsals.ts";
import type { Dependencies } from "../session/command.ts";
import type { FoundBackup } from "../verify/find-backup.ts";

/** What a record says of a rehearsal that reached a verdict. */
interface Recorded extends Pick<RehearsalRecord, "services" | "heads" | "seconds" | "told"> {
  readonly id: string;
  readonly result: ResultName;
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  readonly model: ComposeModel;
  readonly prediction: Prediction | undefined;
  readonly options: Pick<
    Options,
    "soakMs" | "healthTimeoutMs" | "logAllow" | "logDeny" | "cloneHealth"
  >;
}

/** Writes the record. @returns its path; undefined outside a repository or if it cannot be written. */
export function keepRecord(
  { repository }: Pick<FoundBackup, "repository">,
  recorded: Recorded,
  { clock, version, reporter }: Pick<Dependencies, "clock" | "version" | "reporter">,
): string | undefined {
  if (repository === undefined) return undefined;
  const { id, result, services, heads, seconds, manifest, manifestSha256 } = recorded;
  const { prediction, told } = recorded;
  const { soakMs, healthTimeoutMs, logAllow, logDeny, cloneHealth } = recorded.options;
  try {
    return writeRehearsal(repository, {
      ...{ format: 1, id, result, services, heads, seconds, manifestSha256 },
      at: clock.now().toISOString(),
      project: manifest.project,
      toolVersion: version,
      backupId: manifest.id,
      modelSha256: hashOfModel(recorded.model),
      backupHeads: manifest.schemaHeads,
      rules: {
        ...{ soakMs, healthTimeoutMs, cloneHealth },
        logAllow: [...logAllow],
        logDeny: [...logDeny],
      },
      ...(told === undefined ? {} : { told }),
      ...(prediction === undefined
        ? {}
        : { prediction: { ...prediction, basis: [...prediction.basis] } }),
    });
  } catch (error) {
    reporter.warning(`the record of the rehearsal could not be written: ${describeError(error)}`);
    return undefined;
  }
}

/** The SHA-256 of a definition of the stack. */
export function hashOfModel(model: ComposeModel): string {
  return createHash("sha256").update(JSON.stringify(model)).digest("hex");
}

/** What the live upgrades that followed a rehearsal teach. */
interface Lessons {
  /** Actual downtime divided by the sum of the predicted parts, newest first. */
  readonly factors: readonly number[];
  /** How long the last one froze the stack; undefined if there was none. */
  readonly quiesceSeconds: number | undefined;
}

/** Reads what earlier live upgrades took. */
export async function lessons({ repository }: Pick<FoundBackup, "repository">): Promise<Lessons> {
  const all = repository === undefined ? [] : await listRehearsals(repository);
  const factors = all.flatMap(({ actual, prediction }) => {
    if (actual === undefined || prediction === undefined) return [];
    // A prediction that was corrected already would bring the correction back into the next one.
    const { downtimeSeconds, partsSeconds = downtimeSeconds } = prediction;
    const factor = actual.downtimeSeconds / partsSeconds;
    return Number.isFinite(factor) && factor > 0 ? [factor] : [];
  });
  const known = all.find(({ actual }) => actual?.quiesceSeconds !== undefined);
  return { factors, quiesceSeconds: known?.actual?.quiesceSeconds };
}
