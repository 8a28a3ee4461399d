import { formatBytes, formatTable } from "../core/format.ts";
import { visibleLine } from "../core/visible.ts";
import type { Result } from "../model/result.ts";

/** One backup in the result of `list`. */
interface ListedBackup {
  readonly id: string;
  readonly bytes?: number;
  /** `full`, or `+` and the id of the backup that it is made from. */
  readonly kind?: string;
  readonly bytesWithAncestors?: number;
  readonly createdAt?: string | null;
  readonly encrypted?: boolean | null;
  readonly level?: string | null;
  readonly problem?: string | null;
  readonly remotes?: readonly string[];
}

/** The listed backups as a table, or a sentence if there are none. */
export function backupTable(result: Result): string {
  const { backups } = result;
  if (!Array.isArray(backups)) return "";
  return backups.length === 0 ? "no backups" : formatTable(backupRows(result));
}

/** The listed backups as cells, below a row of titles; nothing without any. */
export function backupRows({ backups }: Result): string[][] {
  const listed = (Array.isArray(backups) ? backups : []) as ListedBackup[];
  if (listed.length === 0) return [];
  const hasChains = listed.some(({ kind }) => kind?.startsWith("+"));
  const hasCopies = listed.some(({ remotes = [] }) => remotes.length > 0);
  const rows = listed.map((backup) => [
    backup.id,
    (backup.createdAt ?? "").replace("T", " ").replace(/(\.\d+)?Z$/, " UTC"),
    backup.bytes === undefined ? "" : formatBytes(backup.bytes),
    ...(hasChains ? chainCells(backup) : []),
    backup.encrypted === false ? "in the clear" : "age",
    backup.problem ?? backup.level ?? "not verified",
    ...(hasCopies ? [(backup.remotes ?? []).join(", ") || "-"] : []),
  ]);
  const chain = hasChains ? ["all it needs", "kind"] : [];
  const head = ["backup", "made", "size", ...chain, "sealed", "verified"];
  return [[...head, ...(hasCopies ? ["off this host"] : [])], ...rows];
}

function chainCells({ bytesWithAncestors, kind = "" }: ListedBackup): [string, string] {
  return [bytesWithAncestors === undefined ? "" : formatBytes(bytesWithAncestors), kind];
}

/** What was sent off this host, and how well the backups are spread. */
export function copyLines(result: Result): string[] {
  const { uploads = [], artifact, copies, sameDevice, offHost } = result;
  const sent = uploads.map(
    ({ backupId, to, bytes, proof }) =>
      `${backupId}: ${formatBytes(bytes)} in ${to}, ${proof === "listed" ? "listed there" : `proven by ${proof}`}`,
  );
  const newest = offHost as { readonly backupId: string } | null | undefined;
  if (newest === undefined) return sent;
  const none = artifact === undefined ? ["no backup is proven off this host"] : [];
  return [
    ...sent,
    ...(newest === null ? none : [`newest off this host: ${newest.backupId}`]),
    ...(typeof copies === "number"
      ? [`copies of this backup besides the data itself: ${copies}`]
      : []),
    ...(sameDevice === true ? ["the repository lies on the device of the data"] : []),
  ];
}

/**
 * Content that earlier restores replaced, and that is still there, in the result of `list`. A restore's own result has bare
 * paths, which its warnings or its reason already tell.
 */
export function keptLines({ setAside }: Result): string[] {
  if (!Array.isArray(setAside)) return [];
  return (setAside as (string | { restore: string; path: string })[]).flatMap((kept) =>
    typeof kept === "string" ? [] : [`${kept.restore} set aside: ${visibleLine(kept.path)}`],
  );
}

/** One file inside a backup in the result of `ls`. */
interface ListedEntry {
  readonly path: string;
  readonly type: string;
  readonly bytes: number;
  readonly mode: string;
  readonly modifiedAt: string;
}

const letters: Readonly<Record<string, string>> = {
  ...{ directory: "d", symlink: "l", hardlink: "h", other: "?" },
};

/** The files inside a backup, one a line. */
export function entryTable({ entries }: Result): string {
  if (!Array.isArray(entries) || !entries.every((entry) => typeof entry === "object")) return "";
  // There may be a million: the columns have fixed widths.
  return (entries as ListedEntry[])
    .map(({ path, type, bytes, mode, modifiedAt }) =>
      [
        `${letters[type] ?? "-"}${mode}`,
        (type === "file" ? formatBytes(bytes) : "").padStart(9),
        modifiedAt.slice(0, 16).replace("T", " "),
        // A name with a line break must not look like two.
        visibleLine(path),
      ].join("  "),
    )
    .join("\n");
}

/** What databases hold, one table or collection a line. */
export function countTable({ counts }: Result): string {
  if (!Array.isArray(counts)) return "";
  const rows = (counts as { of: string; name: string; count: CountShown }[]).map(
    ({ of, name, count }) => [visibleLine(of), visibleLine(name), countText(count)],
  );
  return formatTable([["database", "what", "count"], ...rows]);
}

/** Each version of a file that `find` found. */
export function versionTable({ found }: Result): string {
  if (!Array.isArray(found)) return "";
  const rows = (found as (ListedEntry & { newest: string; oldest: string })[]).map((one) => [
    `${letters[one.type] ?? "-"}${one.mode}`,
    one.type === "file" ? formatBytes(one.bytes) : "",
    one.modifiedAt.slice(0, 19).replace("T", " "),
    one.newest,
    one.oldest === one.newest ? "" : one.oldest,
    visibleLine(one.path),
  ]);
  return formatTable([["mode", "size", "changed", "newest backup", "oldest", "path"], ...rows]);
}

/** What `diff` found, one difference a line. */
export function differenceLines({ differences }: Result): string {
  const found = differences as
    | {
        readonly files: readonly { path: string; change: string; detail?: string }[];
        readonly counts: readonly { of: string; name: string; from: CountShown; to: CountShown }[];
      }
    | undefined;
  if (found === undefined) return "";
  const signs: Readonly<Record<string, string>> = { added: "+", removed: "-", changed: "~" };
  const files = found.files.map(({ path, change, detail }) =>
    `${signs[change] ?? "?"} ${visibleLine(path)}  ${detail ?? ""}`.trimEnd(),
  );
  const rows = found.counts.map(({ of, name, from, to }) => [
    visibleLine(of),
    visibleLine(name),
    countText(from),
    countText(to),
  ]);
  const table = rows.length === 0 ? [] : [formatTable([["in", "what", "was", "is"], ...rows])];
  return [...files, ...table].join("\n") || "no differences";
}

type CountShown = number | { readonly min: number; readonly max: number } | null;

function countText(count: CountShown): string {
  if (count === null) return "-";
  return typeof count === "number" ? String(count) : `${count.min} to ${count.max}`;
}

/** The plan of a dry run as indented lines with names and values. */
export function planText(plan: unknown, indent = ""): string {
  if (plan === undefined) return "";
  if (plan === null || typeof plan !== "object") return `${indent}${plan}`;
  if (Array.isArray(plan)) return plan.map((item) => itemText(item, indent)).join("\n");
  return Object.entries(plan)
    .map(([name, value]) =>
      isLeaf(value) ? `${indent}${name}: ${leafText(value)}` : blockText(name, value, indent),
    )
    .join("\n");
}

function blockText(name: string, value: unknown, indent: string): string {
  return `${indent}${name}:\n${planText(value, `${indent}  `)}`;
}

/** One line for an item that has only plain members, such as a store. */
function itemText(item: unknown, indent: string): string {
  if (isLeaf(item)) return `${indent}- ${leafText(item)}`;
  const members = Object.entries(item as object).filter(([, value]) => value !== undefined);
  if (members.every(([, value]) => isLeaf(value))) {
    const line = members.map(([name, value]) => `${name} ${leafText(value)}`).join(", ");
    return `${indent}- ${line}`;
  }
  return `${indent}-\n${planText(item, `${indent}  `)}`;
}

function isLeaf(value: unknown): boolean {
  return value === null || typeof value !== "object" || Object.keys(value).length === 0;
}

function leafText(value: unknown): string {
  if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}
