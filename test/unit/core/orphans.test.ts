import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { endOrphansOf, operationMark } from "../../../src/core/orphans.ts";

function sleeper(operation: string) {
  const env = { PATH: process.env.PATH, ...operationMark(operation) };
  const child = spawn("sleep", ["600"], { env, stdio: "ignore", detached: true });
  return { child, ended: once(child, "exit"), started: once(child, "spawn") };
}

it("ends the programs of one operation, also one that is held, and no other's", async () => {
  const [first, held, other] = [sleeper("one"), sleeper("one"), sleeper("one-more")];
  try {
    await Promise.all([first.started, held.started, other.started]);
    held.child.kill("SIGSTOP");
    await endOrphansOf("one");
    expect(await Promise.all([first.ended, held.ended])).toEqual([
      [null, "SIGKILL"],
      [null, "SIGKILL"],
    ]);
    expect(other.child.exitCode ?? other.child.signalCode).toBe(null);
  } finally {
    for (const { child } of [first, held, other]) child.kill("SIGKILL");
  }
});
