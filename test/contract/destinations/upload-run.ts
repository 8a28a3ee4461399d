import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { shipmentOf } from "./remote-subject.ts";
import { s3Remote } from "./s3-subject.ts";

// A process that sends one backup, to be killed: upload-run.ts ENDPOINT DIRECTORY ID.

const [endpoint = "", directory = "", id = ""] = process.argv.slice(2);
const address = { bucket: "bucket", prefix: "killed" };
const remote = s3Remote({ endpoint, address, partBytes: 2 ** 20 });
const backup = { id, directory, files: new Map(), [Symbol.asyncDispose]: async () => undefined };
const { signal } = new AbortController();
const tools = { reporter: silentReporter, clock: systemClock, signal };
await remote.deliver(await shipmentOf(backup), tools);
