import { once } from "node:events";
import { join } from "node:path";
import { TAR_ENVIRONMENT } from "../../archive/tar/gnu-tar.ts";
import { refuseRights } from "../../archive/tar/rights.ts";
import { TarScanner, type TarSummary } from "../../archive/tar/scanner.ts";
import { spawnStream } from "../../core/exec.ts";
import { clearDirectory } from "../../core/temp.ts";
import type { Component } from "../../model/manifest.ts";
import type { Check } from "../../model/result.ts";
import { countsCheck, failedCheck } from "../check-result.ts";
import { inspectCopy } from "../sqlite/sqlite.ts";
import type { CheckContext } from "../store.ts";
import { databaseCounts } from "./backup.ts";
import { fingerprintOf } from "./vault.ts";

/**
 * Reads a tree's archive to its last byte: every header, the counts, the key's fingerprint. Unpacks each database and
 * reads it to its last page.
 */
export async function checkTree(component: Component, context: CheckContext): Promise<Check[]> {
  const databases = databasesOf(component);
  const bytes = databases.length === 0 ? 0 : databaseBytes(component);
  await using scratch = await clearDirectory("sophon-keeper-check-", { bytes });
  const scanner = treeScanner(component, context.untrusted);
  const subject = { name: "tar", component: component.name };
  try {
    await scan(component, context, scanner, { databases, into: scratch.path });
  } catch (error) {
    context.signal.throwIfAborted();
    return [failedCheck(subject, error)];
  }
  return judgeTree(component, scanner.summary(), scratch.path);
}

/** What to keep of an archive while it is read, for {@link judgeTree}. */
export function treeScanner(component: Component, untrusted = false): TarScanner {
  const key = textOf(component.details.vaultKey);
  const wanted = key === undefined ? [] : [{ name: key }];
  return new TarScanner({ wanted, ...(untrusted ? { listener: refuseRights } : {}) });
}

/**
 * Compares the archive of a tree with what was recorded when it was made: names, counts, the key, and the databases.
 *
 * @param unpacked - a directory with the databases of the archive at their paths
 */
export function judgeTree(component: Component, summary: TarSummary, unpacked: string): Check[] {
  const subject = { name: "tar", component: component.name };
  const databases = databasesOf(component);
  const key = textOf(component.details.vaultKey);
  const { files, directories, symlinks, hardlinks, specials, contentBytes, namesSha256, found } =
    summary;
  const rows = databases.map((path) => databaseRows(component, path, join(unpacked, path)));
  const member = key === undefined ? undefined : found.get(key);
  const counts = {
    ...{ files, directories, symlinks, hardlinks, specials, bytes: contentBytes },
    ...(member === undefined ? {} : { "vault.key": member.bytes }),
    ...databaseCounts(Object.fromEntries(rows.map(({ path, counts }) => [path, counts]))),
  };
  const recordedNames = component.details.namesSha256;
  const named = recordedNames === undefined || recordedNames === namesSha256;
  return [
    named
      ? { ...subject, status: "pass", detail: `${files} files, read to the last byte` }
      : {
          ...subject,
          status: "fail",
          detail: "the list of file names differs from the recorded one",
        },
    countsCheck({ name: "counts", component: component.name }, component.counts, counts),
    ...(key === undefined ? [] : [keyCheck(component, member && fingerprintOf(member))]),
    ...rows.map(({ check }) => check),
  ];
}

/** The size of all databases; an earlier backup records only that of the whole archive. */
function databaseBytes({ details, plainBytes }: Component): number {
  const sizes = Object.values(objectOf(details.databases)).map((one) => objectOf(one).bytes);
  const known = sizes.filter((size) => typeof size === "number");
  return known.length < sizes.length ? plainBytes : known.reduce((sum, size) => sum + size, 0);
}

/** The paths of the SQLite databases in an archive of files. */
export function databasesOf({ details }: Component): string[] {
  return Object.keys(objectOf(details.databases));
}

/** Reads the archive once for both the scanner and the tar that extracts the databases. */
async function scan(
  component: Component,
  context: CheckContext,
  scanner: TarScanner,
  wanted: { readonly databases: readonly string[]; readonly into: string },
): Promise<void> {
  const stream = await context.open(component);
  const tar = wanted.databases.length === 0 ? undefined : extractor(wanted, context.signal);
  try {
    for await (const chunk of stream) {
      scanner.update(chunk as Buffer);
      // After tar has ended there is no `drain` event; `done` has the reason why it ended.
      if (tar?.stdin.write(chunk) === false)
        await Promise.race([once(tar.stdin, "drain"), tar.done]);
    }
    scanner.end();
    tar?.stdin.end();
    await tar?.done;
  } catch (error) {
    tar?.kill(0);
    await tar?.done.catch(() => undefined);
    throw error;
  }
}

/** Extracts plain files owned by the caller. Owners and attributes are not checked, and setting them needs rights. */
function extractor(
  wanted: { readonly databases: readonly string[]; readonly into: string },
  signal: AbortSignal,
) {
  const members = wanted.databases.map((path) => `./${path}`);
  const tar = spawnStream(
    "tar",
    [
      ...["--extract", "--file=-", "--no-same-owner", "--no-same-permissions", "--no-wildcards"],
      ...[`--directory=${wanted.into}`, "--", ...members],
    ],
    { addEnv: TAR_ENVIRONMENT, pipeInput: true, signal },
  );
  tar.stdout.resume();
  tar.done.catch(() => undefined);
  return tar;
}

function databaseRows(component: Component, path: string, copy: string) {
  const subject = { name: `sqlite ${path}`, component: component.name };
  try {
    const { rows, foreignKeyViolations } = inspectCopy(copy);
    const recorded = objectOf(objectOf(component.details.databases)[path]);
    const same = (recorded.foreignKeyViolations ?? 0) === foreignKeyViolations;
    const detail = same
      ? `${Object.keys(rows).length} tables, integrity and foreign keys as recorded`
      : `${foreignKeyViolations} rows refer to missing rows, which differs from the recorded number`;
    const check: Check = { ...subject, status: same ? "pass" : "fail", detail };
    return { path, counts: rows, check };
  } catch (error) {
    return { path, counts: {}, check: failedCheck(subject, error) };
  }
}

function keyCheck(component: Component, fingerprint: string | undefined): Check {
  const subject = { name: "vault.key", component: component.name };
  if (fingerprint === undefined) {
    return { ...subject, status: "fail", detail: "the encryption key is not in the archive" };
  }
  return fingerprint === component.details.vaultKeyFingerprint
    ? { ...subject, status: "pass", detail: `fingerprint ${fingerprint}, as recorded` }
    : {
        ...subject,
        status: "fail",
        detail: `fingerprint ${fingerprint} differs from the recorded one`,
      };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
