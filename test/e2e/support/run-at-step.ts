import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

// Loaded before the program (`node --import`): runs the shell command RUN_COMMAND when the line of the journal that names
// the step RUN_AT_STEP is on the disk, and lets the program go on only when it has ended.

const step = process.env.RUN_AT_STEP ?? "";
const command = process.env.RUN_COMMAND ?? "";
const { writeSync, fdatasyncSync } = fs;
let isWritten = false;

fs.writeSync = ((...given: Parameters<typeof writeSync>) => {
  const [, data] = given as unknown as [number, unknown];
  if (Buffer.isBuffer(data) && isLineOf(data)) isWritten = true;
  return writeSync(...given);
}) as typeof writeSync;

fs.fdatasyncSync = (file) => {
  fdatasyncSync(file);
  if (!isWritten) return;
  isWritten = false;
  execFileSync("sh", ["-ec", command], { stdio: ["ignore", "ignore", "inherit"] });
};

syncBuiltinESMExports();

function isLineOf(data: Buffer): boolean {
  const text = data.subarray(0, 400).toString("latin1");
  return text.startsWith('{"seq":') && text.includes(`"step":"${step}"`);
}
