import { once } from "node:events";
import { systemClock } from "../../src/core/clock.ts";
import { connect } from "../../src/stack/engine.ts";
import { acquireLock } from "../../src/stack/lock.ts";

/** Takes a lock, says so, and holds it until its standard input ends or it is killed. */
const [project = "", operationId = ""] = process.argv.slice(2);
const request = { project, operationId, operation: "backup", repository: "/srv/backups" };
const lock = await acquireLock(await connect(), request, systemClock);
const ids = lock.recoveredFrom.map((owner) => owner.operationId);
console.log(`held, recovers ${ids.join(" ") || "nothing"}`);
process.stdin.resume();
await once(process.stdin, "end");
await lock.release();
process.exit();
