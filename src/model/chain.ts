/** A backup made with `incremental`, as the choice of the next one's parent sees it. */
export interface ChainMember {
  readonly id: string;
  /** How many backups since the full one; 0 is the full one. */
  readonly serial: number;
  /** The backups without which it cannot be read, the parent first; none of a full one. */
  readonly ancestors: readonly string[];
  readonly bytes: number;
  /** Why it cannot be built upon; undefined if nothing is known to be wrong. */
  readonly problem: string | undefined;
}

/** What the next backup is: a full one with the reason, or the one after a parent. */
type NextBackup =
  | { readonly full: string }
  | { readonly parent: ChainMember; readonly serial: number };

/** From here on a backup would have more than four deltas below it. */
const serialLimit = 31;

/**
 * Whether the next backup is a full one, and else its parent. The parent of backup n since the full one is n & (n - 1): the
 * chain of a backup is as long as the number of ones in n, and every odd one is nobody's parent.
 *
 * @param members - newest first
 */
export function nextBackup(members: readonly ChainMember[]): NextBackup {
  const full = members.find(({ serial }) => serial === 0);
  if (full === undefined) return { full: "there is no full backup to build on" };
  const chain = members.filter(
    ({ id, ancestors }) => id === full.id || ancestors.includes(full.id),
  );
  const serial = Math.max(...chain.map((one) => one.serial)) + 1;
  if (serial >= serialLimit) return { full: `${full.id} has ${serial - 1} backups already` };
  const last = chain.find((one) => one.serial === serial - 1);
  if (last !== full && last !== undefined && last.bytes > full.bytes / 2) {
    return { full: `${last.id} is larger than half of ${full.id}` };
  }
  const parent = chain.find((one) => one.serial === (serial & (serial - 1)));
  if (parent === undefined) return { full: `a backup after ${full.id} is no longer there` };
  for (const id of [parent.id, ...parent.ancestors]) {
    const found = chain.find((one) => one.id === id);
    if (found === undefined) return { full: `${id} is no longer there` };
    if (found.problem !== undefined) return { full: `${id} is damaged: ${found.problem}` };
  }
  return { parent, serial };
}

/** Whether a later backup may be a delta against this one. */
export function mayBeParent(serial: number): boolean {
  return serial % 2 === 0 && serial + 1 < serialLimit;
}
