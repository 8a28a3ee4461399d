import { runTaskEntry } from "../../src/helper/entry.ts";
import { serverProber } from "../../src/stack/health.ts";
import { lookTask } from "../../src/stack/look.ts";
import { fail, host, network, rights, slow, tools } from "./helper-tasks.ts";

/** The smallest program that a helper container can start; the real one is the command line. */
const abort = new AbortController();
process.once("SIGTERM", () => abort.abort());
await runTaskEntry([lookTask, serverProber, rights, fail, slow, network, tools, host], {
  stdin: process.stdin,
  stdout: process.stdout,
  signal: abort.signal,
});
