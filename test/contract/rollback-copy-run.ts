import { delta, preCopy, putBack } from "../../src/upgrade/rollback-copy.ts";

/** One operation in a process of its own, so that a test can kill it: `pre-copy|delta|put-back <source> <copy>`. */
const [operation, source = "", copy = ""] = process.argv.slice(2);
if (operation === "pre-copy") await preCopy(source, copy);
else if (operation === "delta") await delta(source, copy);
else await putBack(copy, source);
