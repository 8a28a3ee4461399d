import { complaints } from "../../log-scan/complaints.ts";
import type { StartVerdict } from "./start-and-watch.ts";

const most = 50;

/** What the new version complains about and the old one does not, as templates. Pure. */
export function newComplaints(
  before: StartVerdict["texts"],
  after: StartVerdict["texts"],
): readonly string[] {
  const known = new Set(Object.values(before).flatMap(complaints));
  const all = new Set(Object.values(after).flatMap(complaints));
  return [...all].filter((line) => !known.has(line)).slice(0, most);
}
