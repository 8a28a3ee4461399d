import { once } from "node:events";
import { readArchive } from "../../../archive/read-archive.ts";
import { TAR_ENVIRONMENT } from "../../../archive/tar/gnu-tar.ts";
import { TarScanner, type TarSummary, type WantedMember } from "../../../archive/tar/scanner.ts";
import { DamagedError } from "../../../core/errors.ts";
import { spawnStream } from "../../../core/exec.ts";

/** A member of an archive, its path from the archive's root. */
export interface Member {
  readonly name: string;
  /** `0` a file, `1` a hard link, `2` a symbolic link, `5` a directory. */
  readonly type: string;
  readonly bytes: number;
}

/** An archive that was read to its last byte. */
interface ScannedArchive {
  readonly members: readonly Member[];
  readonly summary: TarSummary;
}

/** How an archive is read. */
export interface ArchivePlace {
  readonly file: string;
  readonly compressed: "gzip" | false;
  readonly signal: AbortSignal;
}

/**
 * Reads an archive to its last byte: the checksum of gzip, every header, the end.
 *
 * @throws DamagedError when it is not whole.
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
 * Unpacks an archive, or some of its members, as plain files of the caller's own: owners and attributes need rights,
 * and are not looked at.
 *
 * @throws DamagedError, ExecError when tar fails.
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
      // A person may have archived `.` or `*`: the names begin with `./` or do not.
      ...["--no-anchored", "--no-wildcards", `--directory=${into}`, "--", ...members],
    ],
    { addEnv: TAR_ENVIRONMENT, pipeInput: true, signal: place.signal },
  );
  tar.stdout.resume();
  tar.done.catch(() => undefined);
  try {
    for await (const chunk of readArchive(place)) {
      // A tar that has ended will not drain; it says itself why it ended.
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

/** @throws DamagedError for an archive whose members would leave the directory that it is unpacked into. */
export function refuseEscapes(members: readonly Member[]): void {
  const bad = members.find(({ name }) => name.startsWith("/") || name.split("/").includes(".."));
  if (bad !== undefined) throw new DamagedError(`the archive holds ${bad.name}`);
}
