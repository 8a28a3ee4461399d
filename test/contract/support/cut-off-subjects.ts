import { writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { fsyncFile, notedPath, useWorkDirectory } from "../../../src/core/temp.ts";
import { formatManifest, type Manifest, manifestFile } from "../../../src/model/manifest.ts";
import { type Marks, marked } from "../../../src/model/marks.ts";
import { createJournal, reopenJournal } from "../../../src/operations/session/journal.ts";
import { Repository } from "../../../src/repository/repository.ts";
import { writeComponent } from "../../../src/stores/sink.ts";
import { extractComponents } from "../../../src/stores/tree/extract.ts";
import { testSpec } from "../journal-spec.ts";

/** What tests cut off that is no task: the same steps in the same order as the commands have them. */

export const backupId = "demo-20260301T030000Z-abcd";
const at = "2026-03-01T03:00:00.000Z";
const options = { clock: systemClock };

/** A small backup from its first file to its place in the list; what fails is discarded. */
export async function writeBackup(repository: Repository): Promise<void> {
  try {
    const directory = await repository.begin(backupId);
    const sink = { directory, recipients: [], passphrase: undefined };
    const component = await writeComponent(sink, {
      ...{ name: "data", store: "data", method: "tar", extension: "tar", compress: false },
      source: Readable.from([Buffer.alloc(2000, "what the stack keeps")]),
      signal: new AbortController().signal,
      clock: systemClock,
      describe: () => ({ source: "/data", counts: {}, details: {}, warnings: [], recovery: "tar" }),
    });
    const path = join(directory, manifestFile);
    const text = formatManifest(manifestOf([component]));
    await writeFile(path, text, { mode: 0o600, flag: "wx" });
    await fsyncFile(path);
    await repository.finish(backupId);
  } catch (error) {
    await repository.discard(backupId);
    throw error;
  }
}

function manifestOf(components: Manifest["components"]): Manifest {
  return {
    ...{ schemaVersion: 1, id: backupId, createdAt: at, finishedAt: at, toolVersion: "1" },
    ...{ host: "h", project: "demo", tier: "personal", consistency: "live", services: {} },
    ...{ storeVersions: {}, brokerNodeName: null, schemaHeads: {}, vaultKeyFingerprint: null },
    ...{ components, warnings: [] },
  };
}

/** The marks of a backup that was read back. */
export async function marksOf(repository: Repository): Promise<Marks> {
  const { manifestSha256 = "" } = await repository.read(backupId);
  return marked(undefined, manifestSha256, "checksum", at, "now");
}

export async function publish(path: string): Promise<void> {
  const repository = new Repository(path);
  await repository.create();
  await writeBackup(repository);
  await mark(path);
}

export async function mark(path: string): Promise<void> {
  const repository = new Repository(path);
  await repository.mark(backupId, await marksOf(repository));
}

export async function remove(path: string): Promise<void> {
  await new Repository(path).remove(backupId);
}

/** As `restore --target` does. @param clear - the repository's directory for clear text */
export async function extract(
  clear: string,
  params: Omit<Parameters<typeof extractComponents.run>[0], "partial">,
): Promise<void> {
  await useWorkDirectory(clear);
  await using partial = await notedPath(".sophon-keeper-restore-", dirname(params.into));
  const context = { reporter: silentReporter, signal: new AbortController().signal };
  await extractComponents.run({ ...params, partial: partial.path }, context);
}

export function openJournal(operations: string): void {
  createJournal(operations, "one", testSpec, options)[Symbol.dispose]();
}

/** Each step is done once its line is on the disk. */
export function writeJournal(operations: string): void {
  using journal = reopenJournal(operations, "one", testSpec, options);
  for (let at = 0; at < 3; at += 1) {
    journal.append("quiesce", "pause", { container: `c${at}` });
    writeFileSync(join(operations, `begun-${at}`), "");
  }
  journal.close("done");
}

export function closeJournal(operations: string): void {
  reopenJournal(operations, "one", testSpec, options).close("done");
}
