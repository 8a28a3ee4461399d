import { systemClock } from "../../../src/core/clock.ts";
import { silentReporter } from "../../../src/core/reporter.ts";
import { RcloneStore } from "../../../src/destinations/rclone-store.ts";
import { Remote } from "../../../src/destinations/remote.ts";
import { shipmentOf } from "./remote-subject.ts";
import { s3Remote } from "./s3-subject.ts";

// A process that sends one backup, to be killed: upload-run.ts PLACE DIRECTORY ID, with an endpoint or `REMOTE:PATH` as the place.

const [place = "", directory = "", id = ""] = process.argv.slice(2);
const address = { bucket: "bucket", prefix: "killed" };
const remote = place.startsWith("http://")
  ? s3Remote({ endpoint: place, address, partBytes: 2 ** 20 })
  : new Remote(new RcloneStore({ place, limit: undefined, retryForMs: 60_000 }));
const backup = { id, directory, files: new Map(), [Symbol.asyncDispose]: async () => undefined };
const { signal } = new AbortController();
const tools = { reporter: silentReporter, clock: systemClock, signal };
await remote.deliver(await shipmentOf(backup), tools);
