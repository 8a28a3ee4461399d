import { walkTree } from "./walk.ts";

/** What a tree looks like just before it is archived. */
export interface Prospect {
  readonly bytes: number;
  /** The files that were written last and so may be written again while they are read, newest first. */
  readonly restless: readonly string[];
}

const RESTLESS_MS = 10 * 60_000;
/** Each is hashed while it is archived; a directory that was filled just now must not cost a hash of all. */
const MAX_RESTLESS = 256;

/** Walks the tree once: how much there is, and which files somebody is writing. */
export async function lookAhead(root: string, skip: ReadonlySet<string>): Promise<Prospect> {
  const recent: { path: string; changedMs: bigint }[] = [];
  const since = BigInt(Date.now() - RESTLESS_MS);
  let bytes = 0;
  for await (const { path, stats } of walkTree(root, skip)) {
    if (!stats.isFile()) continue;
    bytes += Number(stats.size);
    if (stats.ctimeMs >= since) recent.push({ path, changedMs: stats.ctimeMs });
  }
  recent.sort((a, b) => Number(b.changedMs - a.changedMs));
  return { bytes, restless: recent.slice(0, MAX_RESTLESS).map(({ path }) => path) };
}
