import { basename } from "node:path";

/** What to include in a tar, and what to exclude. */
export interface PackRequest {
  /** The directory whose content becomes the archive's root (`./`). */
  readonly directory: string;
  /** Paths from `directory`, literal; a directory is left out with all that is in it. */
  readonly exclude?: readonly string[];
  /** The only file of the directory that is archived; by default everything is. */
  readonly only?: string;
  /**
   * The only paths that are archived, in this order, one character a byte; the empty path is the directory itself. What is
   * in a directory needs a path of its own. A path that is gone counts as vanished.
   */
  readonly list?: readonly string[];
  /**
   * Files that stand in for what is left out, each archived at its own path.
   *
   * They lie in a directory of the caller's, `<overlay directory>/<token>/<path>`: the token keeps
   * tar's exclusions, which know no directory, from leaving them out as well. Owner, mode and times
   * are archived as they lie there.
   */
  readonly overlay?: Overlay;
}

/** Replacement files, see {@link PackRequest.overlay}. */
export interface Overlay {
  readonly directory: string;
  /** A name that no archived path begins with. */
  readonly token: string;
  readonly files: readonly string[];
}

/** Files that GNU tar warned about, by path from the root of the archive. */
export interface TarWarnings {
  /** Changed while they were read: their archived content may be inconsistent. */
  readonly changed: readonly string[];
  /** Shrank while they were read: padded with zeros up to the size they had. */
  readonly shrank: readonly string[];
  /** Removed before they were read: not in the archive. */
  readonly vanished: readonly string[];
  /** Sockets and similar files: never archived. */
  readonly skipped: readonly string[];
}

/**
 * What keeps a file whole: nanoseconds and long names (pax), numeric owners (names differ between
 * machines), extended attributes of every namespace, ACLs.
 */
const FIDELITY = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"] as const;

/** The environment both directions run in: messages are parsed, and options are ours alone. */
export const TAR_ENVIRONMENT = { LC_ALL: "C", TAR_OPTIONS: "" } as const;

/**
 * The arguments that make GNU tar (1.27 or later) write an archive to stdout.
 *
 * Replacement files come first: a file unpacked into a directory after tar has left it would give
 * that directory a new mtime.
 */
export function packArguments(request: PackRequest): string[] {
  const { overlay } = request;
  return [
    "--create",
    "--file=-",
    "--format=pax",
    // The times of reading are of no use, and their absence keeps small headers small.
    "--pax-option=delete=atime,delete=ctime",
    "--quoting-style=escape",
    // 256 KiB a write: GNU tar's own 10 KiB costs the reader a wake-up each.
    "--blocking-factor=512",
    "--sparse",
    ...FIDELITY,
    "--anchored",
    "--no-wildcards",
    ...(request.exclude ?? []).map((path) => `--exclude=./${withoutSlashes(path)}`),
    ...(overlay === undefined ? [] : overlayArguments(overlay)),
    `--directory=${request.directory}`,
    ...membersArguments(request),
  ];
}

/** What an archive's list is on tar's standard input. */
export function listInput(list: readonly string[]): Buffer {
  const names = list.map((path) => `${path === "" ? "." : `./${path}`}\0`);
  return Buffer.from(names.join(""), "latin1");
}

function membersArguments({ list, only }: PackRequest): string[] {
  if (list !== undefined) {
    return ["--no-recursion", "--null", "--verbatim-files-from", "--files-from=-"];
  }
  return [only === undefined ? "." : `./${withoutSlashes(only)}`];
}

/** The arguments that make GNU tar unpack stdin into a directory, exactly as it was packed. */
export function unpackArguments(
  into: string,
  members: readonly string[] = [],
  owners = true,
): string[] {
  return [
    "--extract",
    "--file=-",
    // 256 KiB a read instead of 10, which cost a fifth of the time; the last record may be shorter.
    "--blocking-factor=512",
    "--same-permissions",
    owners ? "--same-owner" : "--no-same-owner",
    ...FIDELITY,
    "--delay-directory-restore",
    "--warning=no-timestamp",
    "--no-wildcards",
    `--directory=${into}`,
    ...members.map((member) => `./${withoutSlashes(member)}`),
  ];
}

/**
 * Sorts GNU tar's stderr (in the C locale, quoting style `escape`).
 *
 * @param packing - of a list of paths: one that is gone is only told as an error then
 */
export function parseTarMessages(
  stderr: readonly string[],
  packing: Pick<PackRequest, "list" | "overlay"> = {},
): {
  warnings: TarWarnings;
  unknown: string[];
} {
  const changed: string[] = [];
  const shrank: string[] = [];
  const vanished: string[] = [];
  const skipped: string[] = [];
  const unknown: string[] = [];
  for (const line of stderr) {
    const [, path, message] = /^[^:]*: (.*): ([^:]+)$/.exec(line) ?? [];
    const list = kinds({ changed, shrank, vanished, skipped }, message);
    const gone = message === GONE ? goneOf(path, packing) : undefined;
    if (gone !== undefined) vanished.push(gone);
    else if (path !== undefined && list !== undefined) list.push(unescaped(path));
    else if (line.trim() !== "" && !line.includes("Exiting with failure status"))
      unknown.push(line);
  }
  return { warnings: { changed, shrank, vanished, skipped }, unknown };
}

const GONE = "No such file or directory";

/** The path of a list in what tar complains of. */
function goneOf(
  complaint: string | undefined,
  { list, overlay }: Pick<PackRequest, "list" | "overlay">,
): string | undefined {
  const [, name] = /^(.*): Cannot (?:stat|open)$/.exec(complaint ?? "") ?? [];
  if (list === undefined || name === undefined) return undefined;
  const path = unescaped(name);
  return overlay !== undefined && path.startsWith(`${overlay.token}/`) ? undefined : path;
}

function kinds<T>(
  lists: { changed: T; shrank: T; vanished: T; skipped: T },
  message: string | undefined,
): T | undefined {
  switch (message) {
    case "file changed as we read it":
      return lists.changed;
    case "File removed before we read it":
      return lists.vanished;
    case "socket ignored":
    case "door ignored":
    case "Unknown file type; file ignored":
      return lists.skipped;
    default:
      return message?.startsWith("File shrank by ") ? lists.shrank : undefined;
  }
}

function overlayArguments(overlay: Overlay): string[] {
  if (basename(overlay.token) !== overlay.token || /[^\w-]/.test(overlay.token)) {
    throw new Error("the overlay's token must be a plain word");
  }
  return [
    // Only the members' own names: a link's target means what it says.
    `--transform=flags=rSH;s|^\\./${overlay.token}/|./|`,
    `--directory=${overlay.directory}`,
    ...overlay.files.map((path) => `./${overlay.token}/${withoutSlashes(path)}`),
  ];
}

function withoutSlashes(path: string): string {
  const relative = path.replace(/^(\.?\/+)+/, "").replace(/\/+$/, "");
  if (["", "."].includes(relative) || relative.split("/").includes("..")) {
    throw new Error(`not a path inside the archive: ${path}`);
  }
  return relative;
}

/** Undoes tar's escapes; bytes that are no UTF-8 come out as replacement characters. */
function unescaped(path: string): string {
  const bytes: Buffer[] = [];
  for (const [part] of path.matchAll(/\\(?:[0-7]{3}|.)|[^\\]+/gs)) bytes.push(unescapedPart(part));
  const name = Buffer.concat(bytes).toString("utf8");
  return name.replace(/^(\.\/+)+/, "") || ".";
}

const LETTERS: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

function unescapedPart(part: string): Buffer {
  if (!part.startsWith("\\")) return Buffer.from(part);
  const code = part.slice(1);
  if (/^[0-7]{3}$/.test(code)) return Buffer.from([Number.parseInt(code, 8) & 0xff]);
  return Buffer.from(LETTERS[code] ?? code);
}
