import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { run } from "../lab/run.ts";
import { createStack } from "../lab/stack.ts";
import { until } from "../lab/step.ts";
import { keeper, listed, stackFlags, startKeeper } from "./support/keeper.ts";
import { remainsOf } from "./support/remains.ts";
import { stateOf } from "./support/state.ts";

let stack: LabStack;
let repository: string;

beforeAll(async () => {
  // Enough that they stay stopped for a while.
  const fillBytes = 96 * 1024 * 1024;
  const writing = { tier: "personal", name: "stopped", writers: 20 } as const;
  stack = await createStack({ ...writing, fillBytes, edit: withOneShot });
  repository = join(stack.scratch, "repository");
  // What a person has stopped is not the backup's to start.
  await stack.compose(["stop", "--timeout", "5", "sophon-dashboard"]);
});
afterAll(async () => {
  await stack.down();
});

const flags = () => ["backup", ...stackFlags(stack, repository), "--consistency", "stopped"];

test("copies while nothing writes, and starts again exactly what ran", async () => {
  const before = await stateOf(stack);
  const made = await keeper(flags());
  expect(made.code, made.stderr).toBe(0);
  const after = await stateOf(stack);
  expectStartedAgain(before, after);
  const manifest = JSON.parse(await readFile(join(made.result.path, "manifest.json"), "utf8"));
  const data = manifest.components.find(({ name }: { name: string }) => name === "data");
  const { startedAt, finishedAt } = await gatewayTimes();
  expect(Date.parse(finishedAt)).toBeLessThanOrEqual(Date.parse(data.startedAt));
  expect(Date.parse(data.endedAt)).toBeLessThanOrEqual(Date.parse(startedAt));
});

test("cancelled while they are stopped, starts them again", async () => {
  const before = await stateOf(stack);
  const running = startKeeper(flags());
  await running.says(/Copy data/);
  running.kill("SIGTERM");
  const ended = await running.ended;
  // A run that is faster than the signal comes to its end, and starts them again just the same.
  expect([130, 0], ended.stderr).toContain(ended.code);
  expectStartedAgain(before, await stateOf(stack));
  expect(await remainsOf(stack, repository)).toEqual([]);
});

test("killed while they are stopped, leaves to the next run to start them again", async () => {
  const before = await stateOf(stack);
  const running = startKeeper(flags());
  await until("the gateway is stopped", 120_000, async () => {
    const states = Object.entries(await stateOf(stack));
    return states.some(
      ([service, { status }]) => service.endsWith("gateway") && status === "exited",
    );
  });
  running.kill("SIGKILL");
  await running.ended;
  const complete = await listed(stack, repository);
  const recovered = await keeper(["recover", ...stackFlags(stack, repository)]);
  expect(recovered.code, recovered.stderr).toBe(0);
  expect(recovered.result.recovered).toHaveLength(1);
  const after = await stateOf(stack);
  expectStartedAgain(before, after);
  expect(await remainsOf(stack, repository)).toEqual([]);
  expect(await listed(stack, repository)).toEqual(complete);
});

type States = Awaited<ReturnType<typeof stateOf>>;

/** A service that has done its work before the gateway starts, and whose work is not to be done again. */
function withOneShot(compose: string): string {
  const gateway = "  sophon-gateway:\n";
  const oneShot = [
    "  sophon-init:",
    `    image: \${SOPHON_DASHBOARD_IMAGE:-buildersoftdev/sophon-dashboard:1.1.0}`,
    '    entrypoint: ["true"]',
    '    restart: "no"',
  ];
  const needs = [
    "    depends_on:",
    "      sophon-init: { condition: service_completed_successfully }",
  ];
  const lines = (text: readonly string[]) => `${text.join("\n")}\n`;
  return compose.replace(gateway, `${lines(oneShot)}\n${gateway}${lines(needs)}`);
}

/**
 * Of the writer: the same container, running, with its restart policy, started after it had been stopped. Of what a
 * person had stopped and of what had ended: nothing at all, not even a start.
 */
function expectStartedAgain(before: States, after: States): void {
  expect(new Set(Object.keys(after))).toEqual(new Set(Object.keys(before)));
  for (const service of ["sophon-dashboard", "sophon-init"]) {
    expect(before[service]?.status).toBe("exited");
    expect(after[service]).toEqual(before[service]);
  }
  const { startedAt, ...same } = before["sophon-gateway"] ?? { startedAt: "" };
  expect(after["sophon-gateway"]).toMatchObject(same);
  expect(after["sophon-gateway"]?.startedAt).not.toBe(startedAt);
}

async function gatewayTimes(): Promise<{ startedAt: string; finishedAt: string }> {
  const format = '{"startedAt":{{json .State.StartedAt}},"finishedAt":{{json .State.FinishedAt}}}';
  const id = await stack.containerId("sophon-gateway");
  return JSON.parse(await run(["docker", "inspect", "--format", format, id]));
}
