// Tells the largest size of the process in memory, in KiB, on standard error.
import { writeSync } from "node:fs";

process.on("exit", () => {
  try {
    writeSync(2, `peak ${process.resourceUsage().maxRSS}\n`);
  } catch {
    // Nobody reads any more.
  }
});
