import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

// Loaded before the program (`node --import`): ends it with SIGKILL as soon as the line of its journal that
// KILL_AT_LINE names by its number is on the disk, and never at any other moment, however busy the machine is.

const wanted = Number(process.env.KILL_AT_LINE);
const { writeSync, fdatasyncSync } = fs;
let written = -1;

fs.writeSync = ((...given: Parameters<typeof writeSync>) => {
  const [, data] = given as unknown as [number, unknown];
  if (Buffer.isBuffer(data)) written = lineNumber(data) ?? written;
  return writeSync(...given);
}) as typeof writeSync;

fs.fdatasyncSync = (file) => {
  fdatasyncSync(file);
  if (written !== wanted) return;
  process.kill(process.pid, "SIGKILL");
  // Nothing more of the program, should the signal take its time.
  for (;;);
};

syncBuiltinESMExports();

/** The number of a journal's line; undefined for anything else that is written. */
function lineNumber(data: Buffer): number | undefined {
  const seq = /^\{"seq":(\d+),"time":/.exec(data.subarray(0, 40).toString("latin1"))?.[1];
  return seq === undefined ? undefined : Number(seq);
}
