import { systemClock } from "../../src/core/clock.ts";
import { createJournal } from "../../src/operations/session/journal.ts";
import { testSpec } from "./journal-spec.ts";

/** Appends without end and tells every step that may begin, until it is killed. */
const journal = createJournal(process.argv[2] ?? "", "killed", testSpec, { clock: systemClock });
for (let at = 0; ; at += 1) {
  journal.append("quiesce", "pause", { container: `c${at}` });
  process.stdout.write(`${at}\n`);
}
