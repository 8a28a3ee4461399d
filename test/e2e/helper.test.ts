import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { RefusedError } from "../../src/core/errors.ts";
import { ExecError } from "../../src/core/exec.ts";
import { type Reporter, silentReporter } from "../../src/core/reporter.ts";
import { waitFor } from "../../src/core/wait.ts";
import { createTaskRunner } from "../../src/helper/runner.ts";
import { throwAwayRemover } from "../../src/stack/containers.ts";
import { connect, type Engine } from "../../src/stack/engine.ts";
import { run as tool, tryRun } from "../lab/run.ts";
import { fail, host, network, rights, slow, tools } from "./helper-tasks.ts";

const checkout = join(import.meta.dirname, "../..");
const operationId = `sk-stack-${randomUUID()}`;
let engine: Engine;
let directory: string;

function runner(more: Partial<Parameters<typeof createTaskRunner>[0]> = {}) {
  return createTaskRunner({
    environment: {},
    operationId,
    entry: { script: join(import.meta.dirname, "helper-entry.ts"), directories: [checkout] },
    reporter: silentReporter,
    remove: throwAwayRemover(engine),
    // As a caller that is not root would be treated.
    uid: 1001,
    ...more,
  });
}

async function leftContainers(): Promise<string> {
  const label = `label=sophon-keeper.operation=${operationId}`;
  return (await tool(["docker", "ps", "--all", "--quiet", "--filter", label])).trim();
}

beforeAll(async () => {
  engine = await connect();
  directory = await mkdtemp(join(tmpdir(), "sk-stack-helper-"));
  await writeFile(join(directory, "secret"), "only root reads this", { mode: 0o600 });
});
afterAll(async () => {
  expect(await leftContainers()).toBe("");
  await rm(directory, { recursive: true });
});

describe("a task", () => {
  test("of root runs in this process", async () => {
    const path = join(directory, "secret");
    const place = { mounts: [{ path: directory, readOnly: true }] };
    const result = await runner({ uid: 0 }).run(rights, { path }, place);
    expect(result).toEqual({ uid: 0, text: "only root reads this", inside: false });
  });

  test("of another user runs as root in a container, and tells its progress", async () => {
    const said: string[] = [];
    const reporter: Reporter = { ...silentReporter, info: (line) => said.push(line) };
    const params = { path: join(directory, "secret"), write: join(directory, "written") };
    const place = { mounts: [{ path: directory, readOnly: false }] };
    const result = await runner({ reporter }).run(rights, params, place);
    expect(result).toEqual({ uid: 0, text: "only root reads this", inside: true });
    expect(await readFile(join(directory, "written"), "utf8")).toBe("written");
    expect(said).toEqual(["reading"]);
  });

  test("runs as the user it asks for, and may not write where it only reads", async () => {
    const path = join(directory, "open");
    await writeFile(path, "open");
    await chmod(directory, 0o755);
    const place = { mounts: [{ path: directory, readOnly: true }], user: "4321:4321" };
    expect(await runner({ uid: 0 }).run(rights, { path }, place)).toMatchObject({ uid: 4321 });
    const writing = { path, write: join(directory, "never") };
    const asRoot = { mounts: [{ path: directory, readOnly: true }] };
    await expect(runner().run(rights, writing, asRoot)).rejects.toMatchObject({ code: "EROFS" });
  });

  test("has no network unless it asks for a container's", async () => {
    expect(await runner().run(network, null, { mounts: [] })).toEqual(["lo"]);
    const name = `sk-stack-net-${randomUUID()}`;
    await tool([
      "docker",
      "run",
      "-d",
      "--name",
      name,
      "sophon-keeper-lab/base:trixie",
      "sleep",
      "300",
    ]);
    try {
      const names = await runner({ uid: 0 }).run(network, null, { mounts: [], networkOf: name });
      expect(names).toContain("eth0");
    } finally {
      await tool(["docker", "rm", "-f", name]);
    }
  });

  test("finds GNU tar and the coreutils", async () => {
    const lines = await runner().run(tools, null, { mounts: [] });
    expect(lines[0]).toMatch(/^tar \(GNU tar\)/);
    expect(lines.slice(1).every((line) => line.includes("GNU coreutils"))).toBe(true);
  });

  test("brings its error back as it was thrown", async () => {
    const refused = await runner()
      .run(fail, { how: "refused" }, { mounts: [] })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused).toMatchObject({ message: "no", hint: "do so", class: "test", exitCode: 2 });
    expect((refused as Error).cause).toMatchObject({ message: "why" });
    const exec = await runner()
      .run(fail, { how: "exec" }, { mounts: [] })
      .catch((error: unknown) => error);
    expect(exec).toBeInstanceOf(ExecError);
    expect(exec).toMatchObject({ exitCode: 64 });
    await expect(runner().run(fail, { how: "exit" }, { mounts: [] })).rejects.toThrow(
      "ended without a result",
    );
  });

  test("refuses a path and a volume that are not there, and makes neither", async () => {
    const path = join(directory, "misspelt");
    const mounts = [{ path, readOnly: true }];
    await expect(runner().run(network, null, { mounts })).rejects.toThrow(
      `${path} does not exist on this host`,
    );
    const volume = `sk-stack-${randomUUID()}`;
    const place = { mounts: [{ path: "/x", readOnly: true, volume }] };
    for (const uid of [0, 1001])
      await expect(runner({ uid }).run(network, null, place)).rejects.toBeInstanceOf(RefusedError);
    expect((await tryRun(["docker", "volume", "inspect", volume])).code).not.toBe(0);
  });

  test("that is aborted undoes what it began, and its container goes", async () => {
    const abort = new AbortController();
    const file = join(directory, "begun");
    const place = { mounts: [{ path: directory, readOnly: false }] };
    const running = runner().run(slow, { file }, place, abort.signal);
    const seen = async () => (await stat(file).catch(() => undefined)) && true;
    running.catch(() => undefined);
    await waitFor(seen, { clock: systemClock, timeoutMs: 20_000 });
    const begun = performance.now();
    abort.abort(new Error("cancelled by the test"));
    await expect(running).rejects.toThrow("cancelled by the test");
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(await seen()).toBeUndefined();
    expect(await leftContainers()).toBe("");
  });
});

describe("helpers that are kept", () => {
  const place = (readOnly: boolean) => ({ mounts: [{ path: directory, readOnly }] });

  test("run one task after the other in one container, and leave none", async () => {
    const kept = runner().keep([{ path: directory, readOnly: false }]);
    const first = await kept.run(host, null, { mounts: [] });
    expect(await kept.run(host, null, place(false))).toBe(first);
    await expect(kept.run(fail, { how: "refused" }, place(true))).rejects.toThrow("no");
    expect(await kept.run(host, null, place(true))).toBe(first);
    // Another user's, and one that is asked for while the first is busy, are others.
    expect(await kept.run(host, null, { mounts: [], user: "4321:4321" })).not.toBe(first);
    const both = [host, host].map((task) => kept.run(task, null, place(true)));
    expect(new Set(await Promise.all(both)).size).toBe(2);
    await kept[Symbol.asyncDispose]();
    expect(await leftContainers()).toBe("");
    // What is undone later still finds a helper.
    expect(await kept.run(host, null, place(true))).not.toBe(first);
    expect(await leftContainers()).toBe("");
  });

  test("never let a task write where only another one may", async () => {
    await using kept = runner().keep();
    const path = join(directory, "secret");
    await kept.run(rights, { path }, place(true));
    const writing = { path, write: join(directory, "kept") };
    await expect(kept.run(rights, writing, place(true))).rejects.toMatchObject({ code: "EROFS" });
    await kept.run(rights, writing, place(false));
    expect(await readFile(join(directory, "kept"), "utf8")).toBe("written");
  });

  test("are replaced when one is gone, and end with a task that is aborted", async () => {
    await using kept = runner().keep();
    const first = await kept.run(host, null, place(false));
    await tool(["docker", "rm", "--force", first]);
    // A task that reaches it before its end is known fails; none does after that.
    const again = async () => await kept.run(host, null, place(false)).catch(() => undefined);
    const next = await waitFor(again, { clock: systemClock, timeoutMs: 90_000 });
    expect(next).toBeDefined();
    expect(next).not.toBe(first);
    const abort = new AbortController();
    const file = join(directory, "begun in a kept one");
    const running = kept.run(slow, { file }, place(false), abort.signal);
    running.catch(() => undefined);
    const seen = async () => (await stat(file).catch(() => undefined)) && true;
    await waitFor(seen, { clock: systemClock, timeoutMs: 90_000 });
    abort.abort(new Error("cancelled by the test"));
    await expect(running).rejects.toThrow("cancelled by the test");
    expect(await seen()).toBeUndefined();
    expect(await leftContainers()).toBe("");
  });
});
