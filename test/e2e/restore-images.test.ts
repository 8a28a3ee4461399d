import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diff } from "../lab/compare.ts";
import { dockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { cells } from "../lab/matrix.ts";
import { run } from "../lab/run.ts";
import { snapshot } from "../lab/snapshot.ts";
import { createStack } from "../lab/stack.ts";
import { plainUp } from "./support/bare.ts";
import { type Caller, keeper, stackFlags } from "./support/keeper.ts";

const ignore = [/agent\.sock: lost/];

async function imageOf(stack: LabStack): Promise<string> {
  const id = await stack.containerId("sophon-gateway");
  return (await run(["docker", "inspect", "--format", "{{.Config.Image}}", id])).trim();
}

async function ready(stack: LabStack): Promise<void> {
  await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180", "--no-recreate"]);
}

const callers: readonly Caller[] = ["root", "docker user"];

describe("restore of a backup of older images", () => {
  cells(
    it,
    callers,
    (as) => as === "root",
  )(
    "by %s brings the old images back with the data; a failure leaves the new ones on theirs",
    async (as) => {
      const owner = as === "root" ? {} : { owner: dockerUser };
      await using stack = await createStack({ tier: "personal", name: "restore-images", ...owner });
      const at = stackFlags(stack, join(stack.scratch, "repository"));
      const made = await keeper(["backup", ...at], { as });
      expect(made.result, made.stderr).toMatchObject({ result: "backed-up" });
      const old = await snapshot(stack);
      const oldImage = await imageOf(stack);

      const copy = join(stack.scratch, "copy");
      const plain = await keeper(["restore", ...at, "--target", copy], { as });
      expect(plain.result, plain.stderr).toMatchObject({ result: "restored" });
      const facts = async (directory: string) =>
        await run(["stat", "--format", "%u %g %a %y", join(directory, "security", "vault.key")]);
      expect(await facts(join(copy, "data"))).toBe(await facts(stack.dataDir));

      const newImage = await stack.publish("1.2.0");
      const env = join(stack.directory, ".env");
      const edited = (await readFile(env, "utf8")).replace(oldImage, newImage);
      await writeFile(env, `# what runs since tonight\n${edited}`);
      await stack.compose(["up", "--detach", "--wait", "--wait-timeout", "180"]);
      await writeFile(join(stack.dataDir, "written-by-the-new-version"), "precious");
      const upgraded = await snapshot(stack);

      const failed = await keeper(["restore", ...at, "--health-timeout", "1ms"], { as });
      expect(failed.result, failed.stderr).toMatchObject({ result: "rolled-back" });
      await ready(stack);
      expect(await imageOf(stack)).toBe(newImage);
      expect(await readFile(env, "utf8")).toContain(newImage);
      expect(diff(upgraded, await snapshot(stack))).toEqual([]);

      const { result, stderr } = await keeper(["restore", ...at], { as });
      expect(result, stderr).toMatchObject({ result: "restored" });
      expect(await imageOf(stack)).toBe(oldImage);
      expect(await readFile(env, "utf8")).toMatch(
        new RegExp(`^# what runs since tonight\n[^]*${oldImage}$`, "m"),
      );
      expect(diff(old, await snapshot(stack), { ignore })).toEqual([]);
      const up = await plainUp(stack);
      expect(up).toMatchObject({ code: 0, warnings: [], after: up.before });
      const kept = await run(["docker", "images", "--format", "{{.Tag}}", "sophon-keeper/keep"]);
      expect(kept).not.toContain(stack.projectName);
    },
  );
});
