#!/usr/bin/env node
/** Older ones cannot even read the files that this one only loads when it is new enough. */
const leastNode = 24;

const [major = 0] = process.versions.node.split(".").map(Number);
if (major < leastNode) {
  const message = `Node ${process.versions.node} is too old: run it with Node ${leastNode} or later`;
  const result = { result: "refused", seconds: 0, reason: { class: "node", message } };
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(result)}\n`);
  process.stderr.write(`refused: ${message}\n`);
  process.exitCode = 2;
} else {
  const { start } = await import("./wiring/command-line.ts");
  await start();
}
