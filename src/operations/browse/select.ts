import type { IndexMember } from "../../archive/archive-index.ts";
import { joinedRanges } from "../../archive/ranges.ts";
import { membersOf, type SourceOptions } from "../../stores/reader.ts";
import type { MemberSelection } from "../../stores/tree/extract-members.ts";
import type { ChosenMembers } from "./choose.ts";

/** A selection, and how much it is. */
export interface SizedSelection extends MemberSelection {
  /** Members that were asked for, directories included. */
  readonly members: number;
  readonly bytes: number;
}

/**
 * All that must be unpacked for the chosen members: what is in a chosen directory, the directories above, and the file
 * that a chosen hard link names.
 *
 * @throws as reading the members does.
 */
export async function selectionOf(
  { component, members }: ChosenMembers,
  source: SourceOptions,
  signal: AbortSignal,
): Promise<SizedSelection> {
  const names = new Set(members.map(({ name }) => name));
  const roots = [...names].filter((name) => !aboveOf(name).some((above) => names.has(above)));
  const isRoot = new Set(roots);
  const isWanted = (name: string) =>
    isRoot.has(name) || aboveOf(name).some((above) => isRoot.has(above));
  const parents = new Set(roots.flatMap(aboveOf));
  const records: IndexMember[] = [];
  const spare = new Set<string>();
  let [count, bytes] = [0, 0];
  for await (const member of membersOf(source, component, signal)) {
    if (!isWanted(member.name)) {
      if (parents.has(member.name)) records.push(member);
      continue;
    }
    records.push(member);
    count++;
    bytes += member.type === "5" ? 0 : member.recordBytes;
    if (member.type !== "1" || member.linkName === undefined) continue;
    if (!isWanted(member.linkName)) spare.add(member.linkName);
  }
  if (spare.size > 0) {
    for await (const member of membersOf(source, component, signal)) {
      if (spare.has(member.name)) records.push(member);
    }
  }
  const ranges = joinedRanges(
    records.map(({ offset, recordBytes }) => ({ offset, bytes: recordBytes })),
  );
  return { component, ranges, roots, spare: [...spare], members: count, bytes };
}

/** The directories above a path inside an archive, whose top is `.`. */
function aboveOf(name: string): string[] {
  if (name === ".") return [];
  const parts = name.split("/");
  return [".", ...parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"))];
}
