import { complaints } from "../../log-scan/complaints.ts";
import type { StartVerdict } from "./start-and-watch.ts";

const most = 50;

/** What logs complain about, as templates. Pure. */
export function complaintsIn(texts: StartVerdict["texts"]): readonly string[] {
  return [...new Set(Object.values(texts).flatMap(complaints))];
}

/** What the new version complains about and the old one does not, as templates. Pure. */
export function newComplaints(
  known: readonly string[],
  after: StartVerdict["texts"],
): readonly string[] {
  return complaintsIn(after)
    .filter((line) => !known.includes(line))
    .slice(0, most);
}
