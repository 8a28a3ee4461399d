import { once } from "node:events";
import { readArchive } from "../../../archive/read-archive.ts";
import { TAR_ENVIRONMENT } from "../../../archive/tar/gnu-tar.ts";
import { TarScanner, type TarSummary, type WantedMember } from "../../../archive/tar/scanner.ts";
import { DamagedError } from "../../../core/errors.ts";
import { spawnStream } from "../../../core/exec.ts";

/** A member of an archive. Its path is relative to the archive's root. */
export interface Member {
  readonly name: string;
  /** `0` a file, `1` a hard link, `2` a symbolic link, `5` a directory. */
  readonly type: string;
  readonly bytes: number;
}

/** The result of reading an archive to its last byte. */
interface ScannedArchive {
  readonly members: readonly Member[];
  readonly summary: TarSummary;
}

/** How to read an archive. */
export interface ArchivePlace {
  readonly file: string;
  readonly compressed: "gzip" | false;
  readonly signal: AbortSignal;
}

/**
 * Reads an archive to its last byte: the gzip checksum, every header, and the end.
 *
 * @throws DamagedError if it is incomplete or damaged.
 */
export async function scanArchive(
  place: ArchivePlace,
  wanted: readonly WantedMember[] = [],
): Promise<ScannedArchive> {
  const members: Member[] = [];
  const scanner = new TarScanner({ wanted, listener: (member) => members.push({ ...member }) });
  for await (const chunk of readArchive(place)) scanner.update(chunk);
  scanner.end();
  return { members, summary: scanner.summary() };
}

/**
 * Unpacks an archive, or some of its members, as plain files of the caller. Owners and attributes are ignored, because
 * setting them needs root.
 *
 * @throws DamagedError; ExecError if tar fails.
 */
export async function extract(
  place: ArchivePlace,
  into: string,
  members: readonly string[] = [],
): Promise<void> {
  const tar = spawnStream(
    "tar",
    [
      ...["--extract", "--file=-", "--no-same-owner", "--no-same-permissions", "--warning=none"],
      // A person may have archived `.` or `*`, so the names may begin with `./`.
      ...["--no-anchored", "--no-wildcards", `--directory=${into}`, "--", ...members],
    ],
    { addEnv: TAR_ENVIRONMENT, pipeInput: true, signal: place.signal },
  );
  tar.stdout.resume();
  tar.done.catch(() => undefined);
  try {
    for await (const chunk of readArchive(place)) {
      // A tar that has ended never drains. Its own error has the reason.
      if (!tar.stdin.write(chunk)) await Promise.race([once(tar.stdin, "drain"), tar.done]);
    }
    tar.stdin.end();
    await tar.done;
  } catch (error) {
    tar.kill(0);
    await tar.done.catch(() => undefined);
    throw error;
  }
}

/** @throws DamagedError for an archive with members outside of its directory. */
export function refuseEscapes(members: readonly Member[]): void {
  const bad = members.find(({ name }) => name.startsWith("/") || name.split("/").includes(".."));
  if (bad !== undefined) throw new DamagedError(`the archive holds ${bad.name}`);
}
