// @module-tag exhaustive
import { expect, it } from "vitest";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { backedUp, clonesOf, keptDataOf, phasesOf, rehearseAs } from "./rehearse-lab.ts";
import { expectAsBefore, look, stackArguments, startKeeper } from "./upgrade-lab.ts";

// Every step is made in a helper container: a busy machine takes minutes.
const timeout = 1_200_000;
const user = "docker user";

it("a user of the docker group rehearses: from the backup, again from the kept data, and a bad image", {
  timeout,
}, async () => {
  await ensureDockerUser();
  await using stack = await createStack({
    ...{ tier: "personal", name: "rehearse-user", owner: dockerUser },
  });
  await backedUp(stack, user);
  const before = await look(stack);
  const good = await stack.publish(goodVersions["1.2.0-words"]);
  const wreck = await stack.publish(wrecking(badVersions["migration-failed"]));

  const first = await rehearseAs(user, stack, good).done;
  expect(first.code, first.stderr).toBe(0);
  expect(first.result?.rehearsal).toMatchObject({ template: { used: false, kept: true } });
  const kept = await keptDataOf(stack);
  expect(kept.length).toBeGreaterThan(0);

  const failed = await rehearseAs(user, stack, wreck).done;
  expect(failed.code, failed.stderr).toBe(4);
  expect(failed.result).toMatchObject({
    result: "failed",
    rehearsal: { template: { used: true } },
  });
  expect(phasesOf(failed.result)).not.toContain("restore");

  const killed = rehearseAs(user, stack, good);
  let said = "";
  killed.child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes("Fill the clone from the kept copy")) killed.child.kill("SIGKILL");
  });
  expect((await killed.done).code).toBe(null);

  const next = await rehearseAs(user, stack, good).done;
  expect(next.code, next.stderr).toBe(0);
  // Nobody knows what the killed one did to the data that it had taken.
  expect(next.result?.rehearsal).toMatchObject({ template: { used: false, kept: true } });
  expect((await keptDataOf(stack)).filter((name) => kept.includes(name))).toEqual([]);

  const prune = ["prune", ...stackArguments(stack), "--keep-last", "9"];
  const pruned = await startKeeper(prune, user).done;
  expect(pruned.code, pruned.stderr).toBe(0);
  expect(await keptDataOf(stack)).toEqual([]);
  expect(await clonesOf(stack)).toEqual([]);
  await expectAsBefore(stack, before, "rehearsed by a user of the docker group");
});
