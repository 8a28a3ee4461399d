import { statfs } from "node:fs/promises";
import { basename } from "node:path";
import { timeOfBackup } from "../../model/backup-id.ts";
import type { History, KeptBackup, PastRehearsal } from "../../model/history.ts";
import { provenRemotes } from "../../model/marks.ts";
import type { RunRecord } from "../../model/run-record.ts";
import { listRehearsals, type RehearsalRecord } from "../../repository/rehearsals.ts";
import type { Repository, StoredBackup } from "../../repository/repository.ts";
import { readHistory } from "../../repository/run-history.ts";
import { newestOffHost } from "../off-host/copies.ts";
import { listOperations, type PastOperation } from "../session/journal.ts";

/** Reads what a repository tells of its stack's past: manifests, marks, journals, records. Verifies nothing, changes nothing. */
export async function gatherHistory(
  repository: Repository,
  projectName: string | undefined,
  now: Date,
): Promise<History> {
  const stored = await repository.list();
  const backups = stored.map(keptBackup);
  const project = projectName ?? stored[0]?.manifest?.project ?? basename(repository.path);
  const records = await readHistory(repository);
  const earlier = listOperations(repository.operations)
    .map(runOfJournal)
    .filter((run) => run !== undefined && !records.some((record) => isSame(record, run)));
  const runs = [...records, ...earlier.filter((run) => run !== undefined)];
  const space = await statfs(repository.path);
  return {
    ...{ project, repository: repository.path, at: now.toISOString(), backups },
    runs: runs.toSorted((a, b) => (a.at < b.at ? -1 : 1)),
    rehearsals: (await listRehearsals(repository)).map(pastRehearsal),
    offHost: (await newestOffHost(repository)) ?? null,
    disk: { freeBytes: space.bavail * space.bsize, totalBytes: space.blocks * space.bsize },
  };
}

function keptBackup({ id, bytes, manifest, marks, problem }: StoredBackup): KeptBackup {
  const components = (manifest?.components ?? []).map((one) => ({
    ...{ name: one.name, bytes: one.bytes, plainBytes: one.plainBytes },
    seconds: Math.max(0, (Date.parse(one.endedAt) - Date.parse(one.startedAt)) / 1000),
  }));
  return {
    ...{ id, bytes, components },
    createdAt: manifest?.createdAt ?? timeOfBackup(id).toISOString(),
    level: marks?.level ?? null,
    verifiedAt: marks?.at ?? null,
    problem: problem ?? marks?.failure ?? null,
    remotes: provenRemotes(marks),
  };
}

function pastRehearsal({
  at,
  result,
  services,
  prediction,
  actual,
}: RehearsalRecord): PastRehearsal {
  return {
    ...{ at, result, images: services },
    ...(prediction === undefined ? {} : { predictedSeconds: prediction.downtimeSeconds }),
    ...(actual === undefined ? {} : { actualSeconds: actual.downtimeSeconds }),
  };
}

/** The words of a journal's outcome, by its operation. */
const outcomes: Readonly<Record<string, readonly [done: string, undone: string]>> = {
  backup: ["backed-up", "backup-failed"],
  restore: ["restored", "rolled-back"],
  "upgrade-test": ["passed", "cancelled"],
};

/** A run of which only the journal is left: versions before the history, or a killed process. */
function runOfJournal(journal: PastOperation): RunRecord | undefined {
  const { id, operation, openedAt, closedAt, outcome, phases } = journal;
  const words = outcomes[operation];
  if (words === undefined) return undefined;
  // A dry run, or one that found nothing to do.
  if (operation === "upgrade-test" && outcome === "done" && !phases.includes("apply"))
    return undefined;
  const isBack = operation === "upgrade-test" && phases.some((phase) => /^roll/.test(phase));
  const ended = outcome === "done" ? words[0] : words[1];
  const at = closedAt ?? openedAt;
  return {
    ...{ at, command: operation, backupId: id },
    result: isBack ? "rolled-back" : outcome === undefined ? "interrupted" : ended,
    seconds: Math.max(0, (Date.parse(at) - Date.parse(openedAt)) / 1000),
  };
}

/** The record is written a moment after the journal is closed. */
function isSame(record: RunRecord, run: RunRecord): boolean {
  if (record.command !== run.command) return false;
  if (record.backupId === run.backupId) return true;
  const afterMs = Date.parse(record.at) - Date.parse(run.at);
  return afterMs >= 0 && afterMs < 120_000;
}
