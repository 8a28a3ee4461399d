import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keeper } from "../cli/keeper.ts";
import { prober } from "../lab/prober.ts";
import { run } from "../lab/run.ts";
import { createStack, type LabStack, type Tier } from "../lab/stack.ts";

/** The tools of this machine, as a shell would find them. */
const env = { HOME: process.env.HOME ?? "/root" };

interface Told {
  readonly result: string;
  readonly backupId: string;
  readonly checks?: readonly { name: string; status: string; component?: string; detail: string }[];
  readonly [extra: string]: unknown;
}

async function told(args: readonly string[]): Promise<Told> {
  const { stdout, stderr } = await keeper([...args, "--json"], { env });
  if (process.env.SHOW !== undefined) console.log(stderr);
  return JSON.parse(stdout) as Told;
}

async function backedUp(stack: LabStack, repository: string): Promise<Told> {
  const at = ["--project-directory", stack.directory, "--repository", repository];
  const made = await told(["backup", ...at]);
  expect(made.reason ?? made.result).toBe("backed-up");
  return made;
}

async function leftOf(project: string): Promise<string> {
  const label = `label=sophon-keeper.project=${project}`;
  const kind = "label=sophon-keeper.kind=scratch";
  const lists = [
    ["ps", "--all"],
    ["volume", "ls"],
    ["network", "ls"],
  ].map((list) => run(["docker", ...list, "--quiet", "--filter", label, "--filter", kind]));
  return (await Promise.all(lists)).join("").trim();
}

describe("a test restore", () => {
  for (const tier of ["personal", "enterprise"] as Tier[]) {
    it(`${tier}: proves a backup made under the writers, while the stack serves, and leaves nothing`, async () => {
      await using stack = await createStack({ tier, name: `vr-${tier}`, writers: true });
      const repository = await mkdtemp(join(tmpdir(), "sophon-keeper-repository-"));
      try {
        await backedUp(stack, repository);
        await using probing = prober(`${stack.gatewayUrl}/api/health`, 100);
        const verified = await told(["verify", "--repository", repository, "--level", "restore"]);
        expect(verified.checks?.filter(({ status }) => status !== "pass")).toEqual([]);
        expect(verified).toMatchObject({ result: "verified", level: "restore" });
        expect((await probing.stop()).failures).toEqual([]);
        expect(await leftOf(stack.projectName)).toBe("");
      } finally {
        await rm(repository, { recursive: true });
      }
    });
  }
});
