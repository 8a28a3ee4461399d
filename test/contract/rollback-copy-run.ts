import { delta, preCopy } from "../../src/rollback-copy/copy.ts";
import { putBack } from "../../src/rollback-copy/put-back.ts";

/** One operation in a process of its own, so that a test can kill it: `pre-copy|delta|put-back <source> <copy> [aside]`. */
const [operation, source = "", copy = "", aside] = process.argv.slice(2);
if (operation === "pre-copy") await preCopy(source, copy);
else if (operation === "delta") await delta(source, copy);
else await putBack(copy, source, { aside });
