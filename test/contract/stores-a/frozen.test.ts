import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { unpackTar } from "../../../src/archive/tar/pack-tar.ts";
import type { Containers } from "../../../src/core/containers.ts";
import { temporaryDirectory } from "../../../src/core/temp.ts";
import type { Component } from "../../../src/model/manifest.ts";
import type { VolumeStore } from "../../../src/model/stack.ts";
import { volumeStore } from "../../../src/stores/tree/tree-store.ts";
import { bindMount, contextsOf } from "./contexts.ts";

/** Two files that always hold the same number, or the first one more; and a large one in between. */
const script = `import os, sys, time
a, b = [os.open(os.path.join(sys.argv[1], name), os.O_RDWR | os.O_CREAT) for name in ('a', 'zz')]
n = 0
while True:
  n += 1
  for file in (a, b): os.pwrite(file, b'%012d' % n, 0)
  if n == 100: print('ready', flush=True)
  time.sleep(0.0005)
`;

/** A program that writes into a directory, as the engine's container that can be paused. */
async function startWriter(directory: string) {
  const child = spawn("python3", ["-c", script, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const steps: string[] = [];
  const containers = {
    inspect: async (id: string) => ({ id, service: "db", state: "running" }),
    pause: async () => {
      steps.push("pause");
      child.kill("SIGSTOP");
    },
    unpause: async () => {
      steps.push("unpause");
      child.kill("SIGCONT");
    },
  } as unknown as Containers;
  return {
    ...{ containers, steps },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

function storeAt(path: string, more: Partial<VolumeStore> = {}): VolumeStore {
  const mount = bindMount(path);
  const own = { name: "volume-data", mount, services: ["db"], databases: [], writers: ["db-1"] };
  return { kind: "volume", ...own, ...more };
}

async function unpacked(directory: string, { file }: Component): Promise<string> {
  const into = join(directory, "out");
  mkdirSync(into);
  await unpackTar({ file: join(directory, "backup", file), compressed: true, into });
  return into;
}

const modes = { volumeModes: { "volume-data": "freeze" } } as const;

describe("a volume of a server that is not known", () => {
  it("is copied as it was at one moment, while its writers are paused, without what is another store's", async () => {
    await using directory = await temporaryDirectory("sk-frozen-");
    const data = join(directory.path, "data");
    mkdirSync(join(data, "other"), { recursive: true });
    writeFileSync(join(data, "m"), Buffer.alloc(40_000_000, 7));
    await using writer = await startWriter(data);
    await using other = await startWriter(join(data, "other"));
    expect(other.steps).toEqual([]);
    const { backup, journal } = contextsOf(directory.path, { containers: writer.containers });
    const store = storeAt(data, { engine: "MariaDB", exclude: ["other"] });
    const [component] = (await volumeStore.backup(store, { ...backup, ...modes })) as [Component];
    const out = await unpacked(directory.path, component);
    expect(readdirSync(out).toSorted()).toEqual(["a", "m", "zz"]);
    const [a, b] = ["a", "zz"].map((name) => Number(readFileSync(join(out, name), "utf8")));
    expect([b, (b ?? 0) + 1]).toContain(a);
    expect(component).toMatchObject({
      source: data,
      recovery: expect.stringContaining(`-C '${data}'`),
    });
    expect(component.details.notable).toEqual([
      expect.stringMatching(/^MariaDB \(db\).*paused for [\d.]+ s/),
    ]);
    expect(journal.map(({ step }) => step)).toEqual(["broker-copy", "pause"]);
    expect(writer.steps).toEqual(["pause", "unpause"]);
    expect(readdirSync(directory.path).toSorted()).toEqual(["backup", "data", "out"]);
  });

  it("is not paused when nobody runs who could write", async () => {
    await using directory = await temporaryDirectory("sk-frozen-");
    const data = join(directory.path, "data");
    mkdirSync(data);
    await using writer = await startWriter(data);
    const exited = async () => ({ state: "exited" });
    const containers = { ...writer.containers, inspect: exited } as unknown as Containers;
    const { backup } = contextsOf(directory.path, { containers });
    await volumeStore.backup(storeAt(data, { engine: "MySQL" }), { ...backup, ...modes });
    expect(writer.steps).toEqual([]);
  });

  it("is copied live and says why, where a copy cannot be exact", async () => {
    await using directory = await temporaryDirectory("sk-frozen-");
    const data = join(directory.path, "data");
    mkdirSync(data);
    await using writer = await startWriter(data);
    const refusing = {
      ...writer.containers,
      pause: async () => {
        throw new Error("the freezer is not available");
      },
    };
    const { backup } = contextsOf(directory.path, { containers: refusing });
    const context = { ...backup, ...modes };
    const [component] = (await volumeStore.backup(storeAt(data), context)) as [Component];
    expect(component.details.notable).toEqual([
      expect.stringMatching(
        /^db may write meanwhile: copied live \(db cannot be paused: the freezer/,
      ),
    ]);
    expect(readdirSync(directory.path).toSorted()).toEqual(["backup", "data"]);
    expect(existsSync(join(directory.path, "backup", component.file))).toBe(true);
  });

  it("unpauses its writers when the copy fails or is cancelled", async () => {
    await using directory = await temporaryDirectory("sk-frozen-");
    const data = join(directory.path, "data");
    mkdirSync(data);
    await using writer = await startWriter(data);
    const cancel = new AbortController();
    const cancelling = {
      ...writer.containers,
      pause: async (id: string) => {
        await writer.containers.pause(id);
        cancel.abort(new Error("cancelled"));
      },
    };
    const { backup } = contextsOf(directory.path, {
      containers: cancelling,
      signal: cancel.signal,
    });
    const doing = volumeStore.backup(storeAt(data), { ...backup, ...modes });
    await expect(doing).rejects.toThrow("cancelled");
    expect(writer.steps).toEqual(["pause", "unpause"]);
    expect(await backup.undo.unwind()).toEqual([]);
    expect(readdirSync(directory.path).toSorted()).toEqual(["backup", "data"]);
  });
});
