import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { dockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { exhaustive } from "../lab/matrix.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { gatewayState } from "../lab/writers.ts";
import { asTarKeepsIt, byHand } from "./support/by-hand.ts";
import { type Caller, keeper, stackFlags, startKeeper } from "./support/keeper.ts";

async function told(args: readonly string[], as: Caller = "root") {
  const { result, stderr } = await keeper(args, { as });
  if (process.env.SHOW !== undefined) console.log(stderr);
  return result;
}

function flags(stack: LabStack, backup: string, as: Caller = "root"): string[] {
  const repository = join(stack.scratch, as === "root" ? "repository" : "repository-of-user");
  return [...stackFlags(stack, repository), "--backup", backup];
}

async function ready(stack: LabStack): Promise<void> {
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180", "--no-recreate"]);
}

async function psql(stack: LabStack, sql: string): Promise<void> {
  const argv = ["psql", "-v", "ON_ERROR_STOP=1", "-U", "sophon", "-d", "sophon", "-c", sql];
  await stack.compose(["exec", "-T", "postgres", ...argv]);
}

async function redisCli(stack: LabStack, ...words: readonly string[]): Promise<void> {
  await stack.compose(["exec", "-T", "redis", "redis-cli", "-e", ...words]);
}

async function loseChunks(stack: LabStack): Promise<void> {
  const answer = await fetch(`${stack.qdrantUrl}/collections/sophon/points/delete?wait=true`, {
    method: "POST",
    headers: { "api-key": stack.credentials.qdrantKey, "content-type": "application/json" },
    body: JSON.stringify({ points: [1, 3, 5, 7] }),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

// Two restores of a whole stack, one of them undone, on a machine that others load, too.
describe("the backups of the Sophon page", { timeout: 1_800_000 }, () => {
  it("personal: the state before is back when the restored stack is not healthy in time", {
    ...exhaustive,
  }, async () => {
    await using stack = await createStack({ tier: "personal", name: "hm-back" });
    const made = await byHand(stack, "data");
    const [archive = ""] = await readdir(made);
    await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");
    const newer = await snapshot(stack);
    const restore = ["restore", ...flags(stack, join(made, archive)), "--health-timeout", "1ms"];
    expect(await told(restore)).toMatchObject({ result: "rolled-back" });
    expect(diff(newer, await snapshot(stack))).toEqual([]);
  });

  it("personal: the data directory, archived while it serves, comes back whole", async () => {
    await using stack = await createStack({
      ...{ tier: "personal", name: "hm-personal", owner: dockerUser },
    });
    const made = await byHand(stack, "data");
    const before = asTarKeepsIt(await snapshot(stack));
    const [archive = ""] = await readdir(made);
    const backup = join(made, archive);

    const verify = ["verify", ...flags(stack, backup)];
    expect(await told(verify)).toMatchObject({ result: "verified", level: "contents" });
    const tried = await told([...verify, "--level", "restore"]);
    expect(tried.reason ?? tried).toMatchObject({ result: "verified", level: "restore" });
    expect(tried.checks.map(({ name }: { name: string }) => name)).toContain("recovery time");
    expect(await told(["restore", ...flags(stack, backup), "--dry-run"])).toMatchObject({
      result: "planned",
      plan: { stores: [{ name: "data", replaces: stack.dataDir, by: [archive] }] },
    });

    await writeFile(join(stack.dataDir, "newer-than-the-backup"), "precious");

    // The page's own case: everything is down, and the data is gone. For a user of the docker group, too.
    const user = "docker user";
    await stack.compose(["down", "--timeout", "5"]);
    await rm(join(stack.dataDir, "security"), { recursive: true });
    await rm(join(stack.dataDir, "data"), { recursive: true });
    expect(await told(["restore", ...flags(stack, backup)])).toMatchObject({ result: "refused" });
    await stack.compose(["up", "--no-start"]);
    const restored = await told(["restore", ...flags(stack, backup, user)], user);
    expect(restored.reason ?? restored.result).toBe("restored");
    await ready(stack);
    expect(diff(before, asTarKeepsIt(await snapshot(stack)))).toEqual([]);
    expect(await gatewayState(stack)).toMatchObject({ credentials: 6 });
    expect(await readdir(restored.setAside[0])).toContain("newer-than-the-backup");
  });

  it(
    "enterprise: each store that was copied by hand comes back by content, and nothing else is touched",
    exhaustive,
    async () => {
      await using stack = await createStack({ tier: "enterprise", name: "hm-enterprise" });
      const made = await byHand(stack, "data", "dump", "qdrant", "redis");
      const sql = await byHand(stack, "sql");
      const before = asTarKeepsIt(await snapshot(stack));
      const verified = await told(["verify", ...flags(stack, made)]);
      expect(verified.reason ?? verified.result).toBe("verified");
      // The dump names roles that only the live server has.
      const tried = await told(["verify", ...flags(stack, made), "--level", "restore"]);
      expect(tried.reason ?? tried).toMatchObject({ result: "verified", level: "restore" });
      expect(await told(["verify", ...flags(stack, sql)])).toMatchObject({ result: "verified" });

      await wreck(stack);
      const restored = await told(["restore", ...flags(stack, made)]);
      expect(restored.reason ?? restored.result).toBe("restored");
      expect(restored.setAside).toHaveLength(4);
      await ready(stack);
      expect(diff(before, asTarKeepsIt(await snapshot(stack)))).toEqual([]);

      await psql(stack, 'DROP TABLE "Messages" CASCADE; CREATE TABLE newer (id int)');
      const newer = await snapshot(stack);
      const cut = startKeeper(["restore", ...flags(stack, sql)]);
      await cut.says(/Restore postgres/);
      cut.kill("SIGKILL");
      const { result: finished } = await cut.ended;
      if (finished === undefined) {
        const at = stackFlags(stack, join(stack.scratch, "repository"));
        expect(await told(["recover", ...at])).toMatchObject({ result: "recovered" });
        await ready(stack);
        expect(diff(newer, await snapshot(stack))).toEqual([]);
      }

      const again = await told(["restore", ...flags(stack, sql)]);
      expect(again.reason ?? again.result).toBe("restored");
      await ready(stack);
      expect(diff(before, asTarKeepsIt(await snapshot(stack)))).toEqual([]);
    },
  );
});

async function wreck(stack: LabStack): Promise<void> {
  await stack.compose(["stop", "--timeout", "5", "sophon-gateway"]);
  await rm(join(stack.dataDir, "security"), { recursive: true });
  await writeFile(join(stack.dataDir, "left-by-a-newer-version"), "new");
  await psql(stack, 'DROP TABLE "Messages" CASCADE; CREATE TABLE newer (id int)');
  await loseChunks(stack);
  await redisCli(stack, "FLUSHALL");
  await redisCli(stack, "SET", "newer", "1");
}
