import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { keeper, type Outcome } from "./support/keeper.ts";
import { type BackedUpStack, backedUp, ready, succeed } from "./support/restored.ts";
import { stateOf } from "./support/state.ts";

const preload = pathToFileURL(join(import.meta.dirname, "support", "run-at-step.ts")).href;

/** A restore that is bound to fail, and whose way back is blocked by a command once everything is filled. */
async function blocked(on: BackedUpStack, command: string): Promise<Outcome> {
  const env = { RUN_AT_STEP: "start", RUN_COMMAND: command };
  const argv = on.arguments("restore", "--health-timeout", "1ms");
  const ended = await keeper(argv, { preload, env });
  expect(ended.code, ended.stderr).toBe(7);
  return ended;
}

/** Types what the result says, word for word, far away from the project. */
async function byHand({ result }: Outcome): Promise<void> {
  const lines = (result.reason.evidence as string).split("\n");
  const commands = lines.filter((line) => line.startsWith("  "));
  expect(commands.length).toBeGreaterThan(1);
  await run(["sh", "-ec", commands.join("\n")], { cwd: "/" });
}

/** Types the command of the hint. */
async function asHinted({ result }: Outcome): Promise<Outcome> {
  const command = /`sophon-keeper ([^`]+)`/.exec(result.reason.hint)?.[1] ?? "";
  return await keeper(command.split(" "));
}

/** Restart policy and run state of each service. */
async function standing(stack: LabStack) {
  const all = Object.entries(await stateOf(stack));
  return all.map(([service, { id, status, policy }]) => ({ service, id, status, policy }));
}

async function prepared(stack: LabStack) {
  const on = await backedUp(stack);
  await succeed(on, "backed-up", "backup");
  await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
  return { on, before: await snapshot(stack), states: await standing(stack) };
}

async function expectBack(stack: LabStack, before: Snapshot, ignore: readonly RegExp[] = []) {
  await ready(stack);
  expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
}

/** What was taken out of a mount point is kept in it, and that it was moved shows at its own time. */
const keptInside = [/^files: [.]sophon-keeper-before-[^/]*: new/, /^files: [.]: mtime [^,]*$/];

it("what was set aside and cannot be moved back is named, untouched, and comes back by the commands told", async () => {
  await using stack = await createStack({ tier: "personal", name: "rp-fixed" });
  const { on, before, states } = await prepared(stack);
  const aside = `${stack.dataDir}.sophon-keeper-before-*`;
  const ended = await blocked(on, `chattr +i ${aside}`);
  const { result } = ended;
  const [path] = result.setAside;
  try {
    expect(result).toMatchObject({ result: "rollback-failed", setAside: [expect.any(String)] });
    expect(result.reason.message).toContain(path);
    expect(await readFile(join(path, "newer-than-the-backup"), "utf8")).toBe("precious");
    expect(existsSync(stack.dataDir)).toBe(false);
    // Still in the way: it says the same again, and again with every command.
    const again = await asHinted(ended);
    expect(again.code, again.stderr).toBe(7);
    expect(again.result.reason.evidence).toBe(result.reason.evidence);
  } finally {
    await run(["sh", "-c", `chattr -i ${aside}`]);
  }
  await byHand(ended);
  await expectBack(stack, before);
  // What a person cannot know: the restart policies, and that the operation is over.
  const recovered = await asHinted(ended);
  expect(recovered.result, recovered.stderr).toMatchObject({ result: "recovered" });
  await expectBack(stack, before);
  expect(await standing(stack)).toEqual(states);
});

it(
  "inside a mount point it is named where it lies, and comes back by the commands told",
  exhaustive,
  async () => {
    const disk = await mkdtemp("/var/tmp/sophon-keeper-person-");
    await run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", disk]);
    try {
      await using stack = await createStack({
        ...{ tier: "personal", name: "rp-mount", dataDirectory: disk },
      });
      const { on, before, states } = await prepared(stack);
      const aside = `${disk}/.sophon-keeper-before-*`;
      const ended = await blocked(on, `for at in ${aside}; do mount --bind "$at" "$at"; done`);
      const [path] = ended.result.setAside;
      try {
        expect(path).toMatch(new RegExp(`^${disk}/[.]sophon-keeper-before-[^/]+$`));
        expect(await readFile(join(path, "newer-than-the-backup"), "utf8")).toBe("precious");
      } finally {
        await run([
          "sh",
          "-c",
          `for at in ${aside}; do ! mountpoint -q "$at" || umount "$at"; done`,
        ]);
      }
      await byHand(ended);
      await expectBack(stack, before, keptInside);
      const recovered = await asHinted(ended);
      expect(recovered.result, recovered.stderr).toMatchObject({ result: "recovered" });
      await expectBack(stack, before, keptInside);
      expect(await standing(stack)).toEqual(states);
    } finally {
      await run(["umount", disk]);
      await rm(disk, { recursive: true });
    }
  },
);

/** Takes a port as soon as whoever has it lets go. */
async function takePort(port: number): Promise<Server> {
  const server = createServer().setMaxListeners(0);
  await until(`port ${port}`, 240_000, async () => {
    return await new Promise<boolean>((resolve) => {
      server.removeAllListeners("error").once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
  });
  return server;
}

it(
  "a container that does not start again is told as that; the content of before is back, and recover starts it",
  exhaustive,
  async () => {
    await using stack = await createStack({ tier: "personal", name: "rp-port" });
    const { on, before, states } = await prepared(stack);
    const port = Number(new URL(stack.gatewayUrl).port);
    const restoring = keeper(on.arguments("restore"));
    const server = await takePort(port);
    const ended = await restoring;
    expect(ended.code, ended.stderr).toBe(7);
    expect(ended.result, ended.stderr).toMatchObject({ result: "restart-failed", setAside: [] });
    expect(ended.result.reason.message).toContain(String(port));
    const precious = await readFile(join(stack.dataDir, "newer-than-the-backup"), "utf8");
    expect(precious).toBe("precious");
    const again = await asHinted(ended);
    expect(again.result, again.stderr).toMatchObject({ result: "restart-failed" });
    await new Promise((resolve) => server.close(resolve));
    const recovered = await asHinted(ended);
    expect(recovered.result, recovered.stderr).toMatchObject({ result: "recovered" });
    await expectBack(stack, before);
    expect(await standing(stack)).toEqual(states);
  },
);
