import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells, exhaustive } from "../lab/matrix.ts";
import { run, tryRun } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { gatewayState } from "../lab/writers.ts";
import { ownGatewayImage, partsOf, plainUp, removeAll } from "./support/bare.ts";
import { ageKey, keeper, stackFlags } from "./support/keeper.ts";
import { killedAtLine } from "./support/killed.ts";

/** A socket is in no backup; the password of the server's own role is hashed anew, with another salt. */
const ignore = [/agent\.sock: lost/, /postgres: role sophon: .*SCRAM-SHA-256/];

/** The backup as plain files, judged by other tools; nothing is ever put into a directory that has anything. */
async function intoDirectory(stack: LabStack, at: readonly string[]): Promise<void> {
  const copy = join(stack.scratch, "copy");
  const { result, stderr } = await keeper(["restore", ...at, "--target", copy]);
  expect(result, stderr).toMatchObject({ result: "restored", target: copy });
  const unlike = ["--exclude=agent.sock", "--exclude=pipe", stack.dataDir, join(copy, "data")];
  expect(await run(["diff", "--recursive", "--no-dereference", ...unlike])).toBe("");
  const postgres = await stack.containerId("postgres");
  const input = await readFile(join(copy, "postgres-sophon.dump"));
  await run(["docker", "exec", "-i", postgres, "pg_restore", "-f", "/dev/null"], { input });
  const redis = await stack.containerId("redis");
  await run(["docker", "cp", join(copy, "redis.rdb"), `${redis}:/tmp/copy.rdb`]);
  await run(["docker", "exec", redis, "redis-check-rdb", "/tmp/copy.rdb"]);
  expect(await readdir(copy)).toEqual(expect.arrayContaining(["stack", "rabbitmq"]));
  const again = await keeper(["restore", ...at, "--target", copy]);
  expect(again.result, again.stderr).toMatchObject({
    result: "refused",
    reason: { class: "target-not-empty" },
  });
}

describe("restore on a bare host", () => {
  /** The lines of the journal that it is killed at, and the steps that these tell. */
  const kills: [steps: string, lines: number[]][] = [
    ["set-aside", [5]],
    ["stop, create, set-aside", [2, 4, 5]],
  ];
  cells(
    it,
    kills,
    (_, { length }) => length === 1,
  )(
    "personal: with the backup alone; the image is pulled, and a failure or a kill (%s) leaves nothing",
    async (killedSteps, lines) => {
      await using stack = await createStack({ tier: "personal", name: "restore-bare" });
      const image = await ownGatewayImage(stack);
      const at = stackFlags(stack, join(stack.scratch, "repository"));
      const { identity, recipient } = await ageKey(stack);
      const made = await keeper(["backup", ...at, "--recipients", recipient]);
      expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
      const before = await snapshot(stack);
      await removeAll(stack);
      await run(["docker", "rmi", image]);
      expect(await partsOf(stack)).toEqual([]);
      const restore = ["restore", ...at, "--identity", identity];

      const steps = [];
      for (const line of lines) {
        steps.push(await killedAtLine(line, restore, join(stack.scratch, "repository")));
        const recovered = await keeper(["recover", ...at]);
        expect(recovered.result, recovered.stderr).toMatchObject({ result: "recovered" });
        expect(await partsOf(stack), `killed at ${steps.at(-1)}`).toEqual([]);
        // Copies of the project's files, with their secrets.
        const texts = join(stack.scratch, "repository", "restores");
        expect(await readdir(texts).catch(() => []), `killed at ${steps.at(-1)}`).toEqual([]);
      }
      expect(steps.join(", ")).toBe(killedSteps);

      const failed = await keeper([...restore, "--health-timeout", "1ms"]);
      expect(failed.result, failed.stderr).toMatchObject({ result: "rolled-back" });
      expect(await partsOf(stack)).toEqual([]);
      await tryRun(["docker", "rmi", image]);

      // Not even a repository: the one file that was uploaded.
      const file = join(stack.scratch, `${made.result.backupId}.tar`);
      await run(["sh", "-c", 'cd "$1" && tar -cf "$2" *.age', "sh", made.result.path, file]);
      await rm(join(stack.scratch, "repository"), { recursive: true });
      const { result, stderr } = await keeper([...restore, "--backup", file]);
      expect(result, stderr).toMatchObject({ result: "restored", setAside: [] });
      expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
      expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
      const up = await plainUp(stack);
      expect(up).toMatchObject({ code: 0, warnings: [], after: up.before });
    },
  );

  it(
    "enterprise: every store by content, volumes that Compose considers its own",
    exhaustive,
    async () => {
      await using stack = await createStack({ tier: "enterprise", name: "restore-bare" });
      const at = stackFlags(stack, join(stack.scratch, "repository"));
      const made = await keeper(["backup", ...at]);
      expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
      const before = await snapshot(stack);
      await intoDirectory(stack, at);
      await removeAll(stack);
      const { result, stderr } = await keeper(["restore", ...at]);
      expect(result, stderr).toMatchObject({ result: "restored", setAside: [] });
      expect(diff(before, await snapshot(stack), { ignore })).toEqual([]);
      const up = await plainUp(stack);
      expect(up).toMatchObject({ code: 0, warnings: [], after: up.before });
    },
  );
});
