import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IndexWriter } from "../../archive/archive-index.ts";
import type { Overlay } from "../../archive/tar/gnu-tar.ts";
import { packTar } from "../../archive/tar/pack-tar.ts";
import type { TarSummary } from "../../archive/tar/scanner.ts";
import { systemClock } from "../../core/clock.ts";
import { BackupFailedError, describeError } from "../../core/errors.ts";
import type { NamedTask, TaskContext } from "../../core/task.ts";
import type { Component } from "../../model/manifest.ts";
import { beginIndex } from "../component-index.ts";
import { backupFailed, type ComponentFacts, isDiskFull, writeComponent } from "../sink.ts";
import { copySqlite, inspectCopy, type SqliteFacts } from "../sqlite/sqlite.ts";
import type { SinkOptions } from "../store.ts";
import { beginIncremental } from "./begin-incremental.ts";
import { leftOut, type TreeBackupParams, type TreeOptions } from "./params.ts";
import { isStill, stampsOf, wasJustWritten } from "./stamps.ts";
import { archivedFingerprint, requireVaultKey } from "./vault.ts";
import { lookAhead } from "./walk.ts";
import { describeWarnings } from "./warnings.ts";

/**
 * Archives a live directory tree with GNU tar and replaces each SQLite database with an online copy. Runs as root or as
 * the uid of the application.
 *
 * @throws BackupFailedError for a missing or implausible key file, a database that cannot be copied or whose copy is
 * damaged, and any error that prevents tar from reading; no file is left in that case.
 */
export const treeBackup: NamedTask<TreeBackupParams, Component> = {
  name: "tree.backup",
  run: async ({ tree, sink }, context) => {
    const startedAt = systemClock.now().toISOString();
    const copies = new DatabaseCopies(sink);
    try {
      if (tree.vaultKey !== undefined) await requireVaultKey(tree.path, tree.vaultKey);
      const { databases, failed } = await copies.make(tree, context);
      // Archived as it is, with the files that belong to it.
      const whole = { ...tree, databases: tree.databases.filter((path) => !(path in failed)) };
      const { overlay } = copies;
      return await archive({ tree: whole, sink, context, startedAt, overlay, databases, failed });
    } catch (error) {
      throw context.signal.aborted ? context.signal.reason : backupFailed(tree.name, error);
    } finally {
      await copies.remove();
    }
  },
};

/** The component, or null if the tree was written to while it was archived, or shortly before. */
interface StillBackup {
  readonly component: Component | null;
}

/**
 * {@link treeBackup} of a tree that nobody writes to, which makes the archive exact. SQLite databases are exact in
 * themselves, and a log that only grows is left aside.
 */
export const treeBackupStill: NamedTask<TreeBackupParams, StillBackup> = {
  name: "tree.backup-still",
  run: async (params, context) => {
    const { tree, sink } = params;
    const before = await stampsOf(tree, context.signal);
    if (before === undefined || wasJustWritten(before)) return { component: null };
    const component = await treeBackup.run(params, context);
    const after = await stampsOf(tree, context.signal);
    if (after !== undefined && isStill(before, after)) return { component };
    await rm(join(sink.directory, component.file));
    return { component: null };
  },
};

type Databases = Readonly<Record<string, SqliteFacts & { readonly bytes: number }>>;

/** The reason by path of each database that could not be copied. */
type Failed = Readonly<Record<string, string>>;

interface ArchiveJob {
  readonly tree: TreeOptions;
  readonly sink: SinkOptions;
  readonly context: TaskContext;
  readonly startedAt: string;
  readonly overlay: Overlay;
  readonly databases: Databases;
  readonly failed: Failed;
}

async function archive(job: ArchiveJob): Promise<Component> {
  const { tree, sink, context, overlay } = job;
  const exclude = await leftOut(tree);
  await using indexing = await beginIndex(sink, tree.name);
  const incremental = indexing && (await beginIncremental(tree, indexing, context.signal));
  const ahead =
    incremental?.ahead ??
    (await lookAhead(tree.path, new Set([...exclude, ...tree.databases]), tree.file));
  const wanted = [...(tree.vaultKey === undefined ? [] : [tree.vaultKey]), ...ahead.restless];
  const index = indexing?.base === undefined ? new IndexWriter() : undefined;
  const tar = packTar({
    directory: tree.path,
    ...(tree.file === undefined ? {} : { only: tree.file }),
    ...(incremental?.list === undefined ? {} : { list: incremental.list }),
    exclude: [...exclude, ...tree.databases],
    ...(overlay.files.length === 0 ? {} : { overlay }),
    wanted: wanted.map((name) => ({ name })),
    listener: (member, raw) => {
      index?.addMember(member);
      incremental?.track.onMember(member, raw);
    },
    signal: context.signal,
  });
  const splices = incremental?.list === undefined ? undefined : incremental.track;
  return await writeComponent(sink, {
    name: tree.name,
    store: tree.store,
    service: tree.service,
    method: tree.databases.length > 0 ? "tar, SQLite online backup" : "tar",
    extension: "tar",
    compress: true,
    ...(index === undefined ? {} : { index }),
    ...{ indexing, splices, members: () => incremental?.found() },
    source: tar.source,
    done: tar.done,
    progress: (bytes) => context.reporter.progress(tree.name, { bytes, of: ahead.bytes }),
    signal: context.signal,
    startedAt: job.startedAt,
    clock: systemClock,
    describe: async (open) => {
      const { summary: read, warnings } = await tar.done;
      const summary = splices?.summary(read) ?? read;
      const described = facts(job, summary, await describeWarnings(tree, warnings, summary));
      return { ...described, recovery: `${open} | ${described.recovery}` };
    },
  });
}

function facts(job: ArchiveJob, summary: TarSummary, warnings: string[]): ComponentFacts {
  const { tree, databases } = job;
  const { files, directories, symlinks, hardlinks, specials, contentBytes, namesSha256, found } =
    summary;
  const key = tree.vaultKey;
  const notable = fileWarnings(tree, job.failed);
  const fingerprint = key === undefined ? undefined : archivedFingerprint(key, found.get(key));
  return {
    source: tree.file === undefined ? tree.path : join(tree.path, tree.file),
    counts: {
      ...{ files, directories, symlinks, hardlinks, specials, bytes: contentBytes },
      ...(key === undefined ? {} : { "vault.key": found.get(key)?.bytes ?? 0 }),
      ...databaseCounts(
        Object.fromEntries(Object.entries(databases).map(([path, { rows }]) => [path, rows])),
      ),
    },
    details: {
      ...(key === undefined ? {} : { vaultKey: key, vaultKeyFingerprint: fingerprint ?? "" }),
      databases: databaseDetails(databases),
      schemaHeads: schemaHeads(databases),
      excluded: [...tree.exclude],
      namesSha256,
      ...(tree.file === undefined ? {} : { file: tree.file }),
      ...(tree.mountTarget === undefined ? {} : { mountTarget: tree.mountTarget }),
      ...(notable.length === 0 ? {} : { notable }),
    },
    warnings: [...databaseWarnings(databases), ...notable, ...warnings],
    recovery: `tar --numeric-owner --xattrs --xattrs-include='*' -xp -C '${tree.path.replaceAll("'", "'\\''")}'`,
  };
}

/** The counts of databases, under the names used in a component. */
export function databaseCounts(
  databases: Readonly<Record<string, Readonly<Record<string, number>>>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(databases).flatMap(([path, rows]) =>
      Object.entries(rows).map(([table, count]) => [`table ${path} ${table}`, count]),
    ),
  );
}

function databaseDetails(databases: Databases): ComponentFacts["details"] {
  return Object.fromEntries(
    Object.entries(databases).map(([path, { journalMode, foreignKeyViolations, bytes }]) => [
      path,
      { journalMode, foreignKeyViolations, bytes },
    ]),
  );
}

function schemaHeads(databases: Databases): Record<string, string> {
  return Object.fromEntries(
    Object.entries(databases).flatMap(([path, { schemaHead }]) =>
      schemaHead === undefined ? [] : [[path, schemaHead]],
    ),
  );
}

/** The files that look like databases and were archived as files. */
function fileWarnings({ alike = [] }: TreeOptions, failed: Failed): string[] {
  return [
    ...alike.map(
      (path) => `${path}: begins like a SQLite database and is not one: copied as a file`,
    ),
    ...Object.entries(failed).map(
      ([path, why]) =>
        `${path}: cannot be copied as a SQLite database (${why}): copied as a file, which may be torn`,
    ),
  ];
}

function databaseWarnings(databases: Databases): string[] {
  const unchecked = Object.entries(databases).flatMap(([path, facts]) =>
    facts.unchecked === undefined
      ? []
      : [
          `${path}: its indexes were not checked, because only the application can: ${facts.unchecked}`,
        ],
  );
  return [...unchecked, ...violations(databases)];
}

function violations(databases: Databases): string[] {
  return Object.entries(databases)
    .filter(([, { foreignKeyViolations }]) => foreignKeyViolations > 0)
    .map(
      ([path, { foreignKeyViolations }]) =>
        `${path}: ${foreignKeyViolations} rows refer to missing rows (also in the live database)`,
    );
}

/** The copies of the databases, in a temporary directory inside the unfinished backup. */
class DatabaseCopies {
  readonly overlay: Overlay & { readonly files: string[] };
  readonly #sink: SinkOptions;

  constructor(sink: SinkOptions) {
    const token = `sk${randomBytes(6).toString("hex")}`;
    this.#sink = sink;
    this.overlay = { directory: join(sink.directory, `.copies-${token}`), token, files: [] };
  }

  /** @throws BackupFailedError for a named database that cannot be copied or is damaged. */
  async make(
    tree: TreeOptions,
    context: TaskContext,
  ): Promise<{ readonly databases: Databases; readonly failed: Failed }> {
    const databases: Record<string, Databases[string]> = {};
    const failed: Record<string, string> = {};
    for (const path of tree.databases) {
      context.signal.throwIfAborted();
      const copy = join(this.overlay.directory, this.overlay.token, path);
      this.#makeDirectory(dirname(copy));
      try {
        await copySqlite(join(tree.path, path), copy);
        databases[path] = { ...inspected(path, copy), bytes: statSync(copy).size };
        this.overlay.files.push(path);
      } catch (error) {
        if (tree.optional?.includes(path) !== true || isDiskFull(error)) throw error;
        failed[path] = reasonOf(error);
        await rm(copy, { force: true });
      }
    }
    return { databases, failed };
  }

  async remove(): Promise<void> {
    await rm(this.overlay.directory, { recursive: true, force: true });
  }

  /** The owner of the backup owns the directory, because it must be able to remove it after a kill of this process. */
  #makeDirectory(path: string): void {
    const { uid, gid } = statSync(this.#sink.directory);
    const made = mkdirSync(path, { recursive: true, mode: 0o700 });
    for (let at = path; made !== undefined && at.length >= made.length; at = dirname(at)) {
      if (process.geteuid?.() === 0) chownSync(at, uid, gid);
    }
  }
}

/** SQLite's own message, not the sentence around it. */
function reasonOf(error: unknown): string {
  const [line = ""] = describeError((error as Error).cause ?? error).split("\n");
  return line;
}

function inspected(path: string, copy: string): SqliteFacts {
  try {
    return inspectCopy(copy);
  } catch (cause) {
    throw new BackupFailedError(
      `the SQLite database ${path} is damaged: its copy failed the integrity check`,
      {
        cause,
        evidence: describeError(cause),
        class: "sqlite-damaged",
      },
    );
  }
}
