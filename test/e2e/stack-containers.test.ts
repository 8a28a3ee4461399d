import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { ExecError } from "../../src/core/exec.ts";
import { waitFor } from "../../src/core/wait.ts";
import { createContainers } from "../../src/stack/containers.ts";
import { connect, type Engine } from "../../src/stack/engine.ts";
import { newTag, taggedCommand } from "../../src/stack/tagged.ts";
import { run, tryRun } from "../lab/run.ts";
import { until } from "../lab/step.ts";

const image = "sophon-keeper-lab/base:trixie";
const name = `sk-stack-${randomUUID()}`;
const operationId = `op-${randomUUID()}`;
let engine: Engine;
let containers: ReturnType<typeof createContainers>;

beforeAll(async () => {
  engine = await connect();
  containers = createContainers(engine, operationId);
  await run(["docker", "run", "-d", "--init", "--name", name, image, "sleep", "infinity"]);
});
afterAll(async () => {
  await run(["docker", "rm", "-f", name]);
});

/** Whether a program with this argument runs in the container, as the engine sees it. */
async function isRunning(argument: string): Promise<boolean> {
  return (await run(["docker", "top", name, "-eo", "pid,args"])).includes(argument);
}

const runs = (argument: string) =>
  waitFor(async () => (await isRunning(argument)) || undefined, {
    clock: systemClock,
    timeoutMs: 20_000,
  });

describe("a program in a container", () => {
  test("gets its input and environment, and gives its output and exit code byte for byte", async () => {
    const script = 'printf "%s|" "$SECRET" "$@"; cat; echo err >&2; exit 3';
    const argv = ["sh", "-c", script, "sh", "a b", "", "c'd\ne"];
    const options = { env: { SECRET: "p'a s$s" }, input: "in\0put", okCodes: [3] };
    const result = await containers.exec(name, argv, options);
    expect(result).toEqual({
      stdout: "p'a s$s|a b||c'd\ne|in\0put",
      stderr: "err\n",
      exitCode: 3,
    });
    const failed = await containers.exec(name, ["false"]).catch((error: unknown) => error);
    expect(failed).toMatchObject({ exitCode: 1 });
    expect(await isRunning("p'a s$s")).toBe(false);
  });

  test("streams large binary input and output unchanged", async () => {
    const bytes = Buffer.alloc(3_000_000, "\x00\r\n\x1b\xff", "latin1");
    const program = containers.execStream(name, ["cat"], { pipeInput: true });
    program.stdin.end(bytes);
    const out: Buffer[] = [];
    for await (const chunk of program.stdout) out.push(chunk as Buffer);
    await program.done;
    expect(Buffer.concat(out).equals(bytes)).toBe(true);
  });

  test("ends with all its children when it is aborted, whoever they run as", async () => {
    const abort = new AbortController();
    const seconds = "98123";
    const script = `sleep ${seconds} & setpriv --reuid 1234 sleep ${seconds}; true`;
    const program = containers.execStream(name, ["sh", "-c", script], { signal: abort.signal });
    program.done.catch(() => undefined);
    await runs(seconds);
    abort.abort(new Error("cancelled"));
    await expect(program.done).rejects.toThrow("cancelled");
    expect(await isRunning(seconds)).toBe(false);
  });

  test("ends when it and its children ignore SIGTERM, and when its time is over", async () => {
    const script = 'trap "" TERM; sleep 98124 & exec sleep 98124';
    const slow = containers.exec(name, ["sh", "-c", script], { timeoutMs: 500 });
    const error = await slow.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ExecError);
    expect(error).toMatchObject({ timedOut: true });
    expect(await isRunning("98124")).toBe(false);
  });

  test("that a killed client left is found by its operation and ended; others stay", async () => {
    const other = createContainers(engine, `op-${randomUUID()}`);
    // Without a client, as after the SIGKILL of a run with its clients.
    const left = taggedCommand(newTag(operationId), ["sleep", "98125"]);
    await run(["docker", "exec", "--detach", name, ...left]);
    const kept = other.execStream(name, ["sleep", "98126"]);
    kept.done.catch(() => undefined);
    await Promise.all([runs("98125"), runs("98126")]);
    expect(await createContainers(engine, "op-next").endLeftovers(name, operationId)).toBe(true);
    expect(await isRunning("98125")).toBe(false);
    expect(await isRunning("98126")).toBe(true);
    expect(await containers.endLeftovers(name, operationId)).toBe(false);
    // Some clients of docker exec exit with 0 on SIGTERM: that is no success.
    kept.kill();
    await expect(kept.done).rejects.toThrow(/its end was not seen|was killed by SIGTERM/);
    expect(await isRunning("98126")).toBe(false);
  });

  test("cannot be started while the container is frozen, and says so", async () => {
    await containers.pause(name);
    expect((await containers.inspect(name))?.state).toBe("paused");
    await expect(containers.exec(name, ["true"])).rejects.toThrow("unpause");
    await containers.unpause(name);
    await containers.unpause(name);
    expect((await containers.exec(name, ["true"])).exitCode).toBe(0);
  });
});

describe("a throw-away container", () => {
  test("has no network, gives its exit code, and is gone", async () => {
    const program = containers.runOnce(image, ["sh", "-c", "ls /sys/class/net; exit 4"], {
      okCodes: [4],
    });
    const out: Buffer[] = [];
    for await (const chunk of program.stdout) out.push(chunk as Buffer);
    expect((await program.done).exitCode).toBe(4);
    expect(Buffer.concat(out).toString().trim()).toBe("lo");
    expect(await leftovers()).toBe("");
  });

  test("is gone at once when it is aborted, also with a program that ignores SIGTERM", async () => {
    const abort = new AbortController();
    const program = containers.runOnce(image, ["sleep", "98127"], { signal: abort.signal });
    program.done.catch(() => undefined);
    await waitFor(async () => (await leftovers()) || undefined, {
      clock: systemClock,
      timeoutMs: 20_000,
    });
    abort.abort(new Error("cancelled"));
    await expect(program.done).rejects.toThrow("cancelled");
    expect(await leftovers()).toBe("");
  });

  test("is gone although it is aborted while the engine creates it, at the latest with its operation", async () => {
    for (const afterMs of [0, 100, 250]) {
      const abort = new AbortController();
      const program = containers.runOnce(image, ["true"], { signal: abort.signal });
      program.done.catch(() => undefined);
      await systemClock.sleep(afterMs);
      abort.abort(new Error("cancelled"));
      await program.done.catch(() => undefined);
    }
    // An engine that is very busy reads a request seconds after its client has ended: the next run removes what it made.
    await until("no container is left", 60_000, async () => {
      if ((await leftovers()) === "") return true;
      await containers.removeLeftovers(operationId);
      return false;
    });
  });

  test("that a killed run left is removed by its operation", async () => {
    const program = containers.runOnce(image, ["sleep", "98128"]);
    program.done.catch(() => undefined);
    const running = async () => (await run(["docker", "ps", "-q", ...filter()])) || undefined;
    await waitFor(running, { clock: systemClock, timeoutMs: 20_000 });
    process.kill(-program.pid, "SIGKILL");
    expect((await containers.removeLeftovers(operationId)).length).toBeGreaterThan(0);
    expect(await leftovers()).toBe("");
  });
});

describe("a container", () => {
  test("is stopped, started and given a restart policy, each twice without harm", async () => {
    const own = `${name}-b`;
    const volume = `${name}-v`;
    await run([
      ...["docker", "create", "--name", own, "--restart", "on-failure:3", "--init"],
      ...["-v", `${volume}:/data`, "-v", "/tmp:/host:ro", "--tmpfs", "/t", image],
      ...["sleep", "infinity"],
    ]);
    try {
      expect(await containers.inspect(own)).toMatchObject({
        state: "created",
        restartPolicy: "on-failure:3",
        mounts: expect.arrayContaining([
          expect.objectContaining({ volume, target: "/data", writable: true, plain: true }),
          expect.objectContaining({ type: "bind", source: "/tmp", writable: false }),
          expect.objectContaining({ type: "tmpfs", target: "/t" }),
        ]),
      });
      for (let twice = 0; twice < 2; twice += 1) {
        await containers.setRestartPolicy(own, "no");
        await containers.start(own);
      }
      expect(await containers.inspect(own)).toMatchObject({
        state: "running",
        restartPolicy: "no",
      });
      for (let twice = 0; twice < 2; twice += 1) await containers.stop(own, 1);
      await containers.setRestartPolicy(own, "on-failure:3");
      expect(await containers.inspect(own)).toMatchObject({
        state: "exited",
        restartPolicy: "on-failure:3",
      });
    } finally {
      await run(["docker", "rm", "-f", own]);
      await tryRun(["docker", "volume", "rm", volume]);
    }
    expect(await containers.inspect(own)).toBeUndefined();
  });
});

const filter = () => ["--filter", `label=sophon-keeper.operation=${operationId}`];

async function leftovers(): Promise<string> {
  return (await run(["docker", "ps", "-aq", ...filter()])).trim();
}

describe("a container that crashes again and again", () => {
  test("takes a restart policy whichever moment of it is hit", async () => {
    const crashing = `sk-crash-${randomUUID()}`;
    const loop = ["--restart", "always", image, "sh", "-c", "exit 1"];
    try {
      for (let round = 0; round < 2; round++) {
        await run(["docker", "run", "-d", "--name", crashing, ...loop]);
        for (let change = 0; change < 20; change++) {
          await containers.setRestartPolicy(crashing, change % 2 ? "always" : "unless-stopped");
        }
        await containers.setRestartPolicy(crashing, "no");
        expect(await containers.inspect(crashing)).toMatchObject({ restartPolicy: "no" });
        await run(["docker", "rm", "-f", crashing]);
      }
    } finally {
      await tryRun(["docker", "rm", "-f", crashing]);
    }
  });
});
