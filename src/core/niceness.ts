import { setPriority } from "node:os";

/** Enough that a stack on the same host goes first, and not so much that a busy host starves a rehearsal. */
const niceness = 5;

/** Lets other programs of this host go first, from now on: before this process and all that it starts. */
export function goBehind(): void {
  try {
    setPriority(niceness);
  } catch {
    // A process that is behind already may not come forward.
  }
}
