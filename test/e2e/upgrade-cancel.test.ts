import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells } from "../lab/matrix.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, wrecking } from "../lab/versions.ts";
import {
  atStep,
  expectAsBefore,
  repository,
  sharedStack,
  stackArguments,
  startKeeper,
} from "./upgrade-lab.ts";

// A cancelled job: the runner sends SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL, and then runs the post step.

const bad = wrecking(badVersions["crash-loop"]);
const shared = sharedStack(() => createStack({ tier: "personal", name: "upgrade-cancel" }));
afterAll(() => shared.remove());

/** The step and its post step as the runner starts them, from the sources. */
function runner(stack: LabStack, reference: string) {
  const directory = join(stack.scratch, `runner-${Date.now()}`);
  mkdirSync(directory);
  const file = (name: string) => {
    const path = join(directory, name);
    writeFileSync(path, "");
    return path;
  };
  const inputs = {
    mode: "upgrade-test",
    "project-directory": stack.directory,
    repository: repository(stack),
    images: `sophon-gateway=${reference}`,
    soak: "30s",
    unencrypted: "true",
  };
  const event = join(directory, "event.json");
  writeFileSync(event, "{}");
  const environment = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    GITHUB_ACTIONS: "true",
    GITHUB_EVENT_NAME: "workflow_dispatch",
    GITHUB_EVENT_PATH: event,
    GITHUB_REPOSITORY: "owner/name",
    GITHUB_WORKSPACE: directory,
    GITHUB_OUTPUT: file("output"),
    GITHUB_STATE: file("state"),
    GITHUB_STEP_SUMMARY: file("summary"),
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
    ),
  };
  const start = (entry: "main" | "post", more: Readonly<Record<string, string>> = {}) => {
    const path = join(import.meta.dirname, "../../src", `${entry}.ts`);
    const child = spawn(process.execPath, [path], {
      env: { ...environment, ...more },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    const out = Promise.all([text(child.stdout), text(child.stderr)]);
    const done = (async () => {
      const [stdout, stderr] = await out;
      return { code: await code, told: `${stdout}\n${stderr}` };
    })();
    return { child, done };
  };
  return {
    step: () => start("main"),
    post: () => start("post", stateIn(environment.GITHUB_STATE)),
  };
}

/** What a step saved, as the runner gives it to the post step. */
function stateIn(path: string): Record<string, string> {
  const saved = readFileSync(path, "utf8").matchAll(/^(\w+)<<(\S+)\n([\s\S]*?)\n\2$/gm);
  return Object.fromEntries(
    [...saved].map(([, name, , value]) => [`STATE_${name}`, String(value)]),
  );
}

/** As the runner does it, however far the step has come. */
async function cancel({ child, done }: ReturnType<ReturnType<typeof runner>["step"]>) {
  const over = done.then(() => true);
  child.kill("SIGINT");
  if (await Promise.race([over, delay(7_500, false)])) return await done;
  child.kill("SIGTERM");
  if (await Promise.race([over, delay(2_500, false)])) return await done;
  child.kill("SIGKILL");
  return await done;
}

const moments = ["backup/begin", "quiesce/stop-writers", "gate/watch", "roll-back/put-back"];

describe("a job that is cancelled", () => {
  cells(
    it,
    moments,
    (step) => step === "gate/watch",
  )("at %s leaves the stack as it was, after its post step", async (step) => {
    await shared.use(async (stack, before) => {
      const { step: start, post } = runner(stack, await stack.publish(bad));
      const cancelled = await cancel(await atStep(stack, step, start));
      const { code, told } = await post().done;
      expect(code, `${cancelled.told}\n${told}`).toBe(0);
      await expectAsBefore(stack, before, step);
    });
  });

  it("with the machine, so that no post step runs, is put right by the next run of any mode", async () => {
    await shared.use(async (stack, before) => {
      const { step: start } = runner(stack, await stack.publish(bad));
      const running = await atStep(stack, "gate/watch", start);
      running.child.kill("SIGKILL");
      await running.done;
      const prune = ["prune", ...stackArguments(stack), "--keep-last", "9"];
      const { code, result, stderr } = await startKeeper(prune).done;
      expect(code, stderr).toBe(0);
      expect(result).toMatchObject({ result: "pruned" });
      await expectAsBefore(stack, before, "the next run");
    });
  });
});
