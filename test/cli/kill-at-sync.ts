import child from "node:child_process";
import { syncBuiltinESMExports } from "node:module";

// Loaded before the program (`node --import`): sends it the signal that AT_SYNC names when it starts `sync`, which is the
// last it does with what it unpacked before that takes its place.

const { spawn } = child;

child.spawn = ((...given: Parameters<typeof spawn>) => {
  if (given[0] === "sync") process.kill(process.pid, process.env.AT_SYNC as NodeJS.Signals);
  return spawn(...given);
}) as typeof spawn;

syncBuiltinESMExports();
