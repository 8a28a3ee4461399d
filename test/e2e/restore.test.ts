import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keeper } from "../cli/keeper.ts";
import { diff } from "../lab/compare.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack, type LabStack, type Tier } from "../lab/stack.ts";
import { gatewayState } from "../lab/writers.ts";

const env = { HOME: process.env.HOME ?? "/root" };

/** A socket is in no backup; the password of the server's own role is hashed anew, with another salt. */
const ignore = [/agent\.sock: lost/, /postgres: role sophon: .*SCRAM-SHA-256/];

async function told(args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await keeper([...args, "--json"], { env });
  if (process.env.SHOW !== undefined) console.log(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function withBackup(
  tier: Tier,
  name: string,
  work: (stack: LabStack, repository: string, at: readonly string[]) => Promise<void>,
): Promise<void> {
  await using stack = await createStack({ tier, name });
  const repository = await mkdtemp(join(tmpdir(), "sophon-keeper-repository-"));
  try {
    const at = ["--project-directory", stack.directory, "--repository", repository];
    const made = await told(["backup", ...at]);
    expect(made).toMatchObject({ result: "backed-up" });
    await work(stack, repository, at);
  } finally {
    await rm(repository, { recursive: true });
  }
}

/** What a bad night does to the files of a stack. */
async function wreckFiles({ dataDir }: LabStack): Promise<void> {
  await rm(join(dataDir, "security"), { recursive: true });
  await rm(join(dataDir, "data"), { recursive: true });
  await writeFile(join(dataDir, "left-by-a-newer-version"), "new");
}

async function ready(stack: LabStack): Promise<void> {
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "120", "--no-recreate"]);
}

describe("restore", () => {
  it("puts everything back when the restored stack does not become healthy in time", async () => {
    await withBackup("personal", "rs-back", async (stack, _repository, at) => {
      await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
      const before = await snapshot(stack);
      const failed = await told(["restore", ...at, "--health-timeout", "1ms"]);
      expect(failed).toMatchObject({ result: "rolled-back" });
      expect(diff(before, await snapshot(stack))).toEqual([]);
      expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
      expect(await told(["recover", ...at])).toMatchObject({ result: "unchanged" });
    });
  });

  it("personal: brings back every byte of a wrecked stack, and keeps what was there", async () => {
    await withBackup("personal", "rs-personal", async (stack, _repository, at) => {
      const before = await snapshot(stack);
      await stack.compose(["stop", "--timeout", "5"]);
      await wreckFiles(stack);
      await stack.compose(["start", "sophon-gateway"]).catch(() => undefined);
      const restored = await told(["restore", ...at]);
      expect(restored.reason ?? restored.result).toBe("restored");
      await ready(stack);
      expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
      expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
      const [aside] = restored.setAside as string[];
      expect(await readdir(aside as string)).toContain("left-by-a-newer-version");
      // A plain up finds nothing to do.
      const id = await stack.containerId("sophon-gateway");
      await stack.compose(["up", "--detach"]);
      expect(await stack.containerId("sophon-gateway")).toBe(id);
      const policy = ["inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", id];
      expect((await run(["docker", ...policy])).trim()).toBe("unless-stopped");
    });
  });

  it("enterprise: brings back every store by content", async () => {
    await withBackup("enterprise", "rs-enterprise", async (stack, _repository, at) => {
      const before = await snapshot(stack);
      await stack.compose(["stop", "--timeout", "5", "sophon-gateway"]);
      await wreckFiles(stack);
      const sql = 'DROP TABLE "Messages" CASCADE; CREATE TABLE newer (id int)';
      const psql = ["psql", "-U", "sophon", "-d", "sophon", "-c", sql];
      await stack.compose(["exec", "-T", "postgres", ...psql]);
      const restored = await told(["restore", ...at]);
      expect(restored.reason ?? restored.result).toBe("restored");
      await ready(stack);
      expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
    });
  });
});
