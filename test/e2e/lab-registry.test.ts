import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asDockerUser, dockerUser } from "../lab/engine-user.ts";
import { startRegistry } from "../lab/registry.ts";
import { run, tryRun } from "../lab/run.ts";

const name = `sk-lab-${randomBytes(4).toString("hex")}/app:1.0.0`;
let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sk-lab-registry-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** An image of no layer but its own name: what is tested here is the registry. */
async function tinyImage(tag: string): Promise<string> {
  const image = `${name.split(":")[0]}-local:${tag}`;
  const change = ["--change", `LABEL sophon-keeper.lab.tag=${tag}`];
  await run(["docker", "import", ...change, "-", image], { input: Buffer.alloc(1024) });
  return image;
}

test("a tag moves, a stopped registry refuses, and a deleted manifest is gone", async () => {
  await using registry = await startRegistry(directory);
  const images = [await tinyImage("1"), await tinyImage("2")] as const;
  const reference = await registry.push(images[0], name);
  try {
    const first = await registry.digest(name);
    await registry.push(images[1], name);
    expect(await registry.digest(name)).not.toBe(first);
    await run(["docker", "rmi", reference]);

    await registry.stop();
    expect(await registry.reachable()).toBe(false);
    expect((await tryRun(["docker", "pull", "-q", reference])).code).not.toBe(0);
    await registry.start();
    await run(["docker", "pull", "-q", reference]);
    const id = ["docker", "image", "inspect", "--format", "{{.Id}}"];
    expect(await run([...id, reference])).toBe(await run([...id, images[1]]));

    await registry.remove(name);
    expect(await registry.digest(name)).toBeUndefined();
  } finally {
    // By id: a tag that moved leaves a reference by digest behind, which only this removes too.
    const ids = await run(["docker", "image", "inspect", "--format", "{{.Id}}", ...images]);
    await run(["docker", "rmi", "--force", ...ids.trim().split("\n")]);
  }
});

test("the docker-only user reaches the engine and nothing of root's", async () => {
  const secret = join(directory, "secret");
  await writeFile(secret, "x", { mode: 0o600 });
  const groups = await run(asDockerUser(["id", "-Gn"]));
  expect(groups.trim().split(" ").sort()).toEqual(["docker", dockerUser]);
  await run(asDockerUser(["docker", "ps", "-q"]));
  await run(asDockerUser([process.execPath, "-e", "await import('vitest')"]));
  expect((await tryRun(asDockerUser(["cat", secret]))).code).not.toBe(0);
});
