// @module-tag exhaustive
import { mkdir, readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Rehearsal } from "../../src/model/rehearsal.ts";
import { diff } from "../lab/compare.ts";
import { dockerUser, ensureDockerUser } from "../lab/engine-user.ts";
import type { LabStack } from "../lab/lab-stack.ts";
import { createStack } from "../lab/stack.ts";
import { badVersions, goodVersions, wrecking } from "../lab/versions.ts";
import { clonesOf, keptDataOf, phasesOf } from "./rehearse-lab.ts";
import { byHand } from "./support/by-hand.ts";
import { failureClasses } from "./support/failure-classes.ts";
import type { Caller } from "./support/keeper.ts";
import { containersOf, expectAsBefore, look, repository, startKeeper } from "./upgrade-lab.ts";

const timeout = 1_200_000;

async function rehearse(
  stack: LabStack,
  backup: string,
  reference: string,
  as: Caller = "root",
  ...more: readonly string[]
) {
  const how = ["upgrade-test", "--target", "rehearsal", "--soak", "6s", "--backup", backup];
  const where = ["--project-name", stack.projectName, "--repository", repository(stack)];
  const images = ["--images", `sophon-gateway=${reference}`];
  return await startKeeper([...how, ...where, ...images, ...more], as).done;
}

it("of files made by hand: a good image passes, a bad one fails, and damage is found", {
  timeout,
}, async () => {
  await ensureDockerUser();
  await using stack = await createStack({
    ...{ tier: "personal", name: "rehearse-by-hand", owner: dockerUser },
  });
  const made = await byHand(stack, "data");
  await mkdir(repository(stack));
  const [before, containers] = [await look(stack), await containersOf(stack)];
  const good = await stack.publish(goodVersions["1.2.0-words"]);

  const passed = await rehearse(stack, made, good, "docker user");
  expect(passed.code, passed.stderr).toBe(0);
  const { rehearsal, ...result } = passed.result as { rehearsal: Rehearsal };
  expect(result).toMatchObject({
    ...{ result: "passed", path: made, from: { "sophon-gateway": stack.env.SOPHON_IMAGE } },
    unknown: expect.arrayContaining([expect.stringContaining("which images it is of")]),
  });
  expect(rehearsal).toMatchObject({
    ...{ source: made, rollBack: { inPlace: expect.any(String) }, packetsOut: 0 },
    upgrade: { migrations: Array(3).fill(expect.anything()) },
    schema: [{ added: expect.arrayContaining([expect.any(String)]) }],
    prediction: { downtimeSeconds: expect.any(Number) },
  });
  // It is in no repository: nothing would find it again.
  expect([rehearsal.record, rehearsal.template]).toEqual([undefined, undefined]);
  expect(phasesOf(result)).toContain("control");

  const bad = await stack.publish(wrecking(badVersions["migration-failed"]));
  const failed = await rehearse(stack, made, bad);
  expect(failed.code, failed.stderr).toBe(4);
  expect(failed.result).toMatchObject({
    result: "failed",
    reason: { class: expect.stringMatching(failureClasses["migration-failed"]) },
  });

  expect((await rehearse(stack, made, good, "root", "--max-age", "1s")).result).toMatchObject({
    ...{ result: "stale", reason: { class: "stale" } },
  });
  const [archive = ""] = await readdir(made);
  await truncate(join(made, archive), 5_000);
  const damaged = await rehearse(stack, made, good);
  expect(damaged.code, damaged.stderr).toBe(4);
  expect(damaged.result).toMatchObject({ result: "damaged", checks: expect.any(Array) });

  expect(await readdir(repository(stack))).toEqual([]);
  expect(await keptDataOf(stack)).toEqual([]);
  expect(await clonesOf(stack)).toEqual([]);
  expect(await containersOf(stack)).toEqual(containers);
  await expectAsBefore(stack, before, "rehearsed by hand");
});

it("of the files of every store of an Enterprise stack, and not of its data directory alone", {
  timeout,
}, async () => {
  await using stack = await createStack({ tier: "enterprise", name: "rehearse-hand-all" });
  const made = await byHand(stack, "data", "dump", "qdrant", "redis");
  const alone = await byHand(stack, "data");
  await mkdir(repository(stack));
  const before = await look(stack);
  const good = await stack.publish(goodVersions["1.2.0"]);

  const passed = await rehearse(stack, made, good);
  expect(passed.code, passed.stderr).toBe(0);
  const checks = passed.result?.checks as { name: string; component?: string; status: string }[];
  const after = checks.filter(({ name }) => name === "counts after");
  const compared = new Set(after.map(({ component }) => component));
  expect(compared).toEqual(new Set(["data", "postgres", "qdrant", "redis"]));
  expect(after.filter(({ status }) => status !== "pass")).toEqual([]);
  // What nobody copied is empty in the clone, and the reviewer is told.
  const { omitted = [] } = (passed.result?.rehearsal ?? {}) as Rehearsal;
  expect(omitted.join("\n")).toContain("its content is not in the backup: it is empty");

  const part = await rehearse(stack, alone, good);
  expect(part.code, part.stderr).toBe(5);
  expect(part.result).toMatchObject({
    ...{ result: "unverifiable", reason: { class: "incomplete" } },
  });
  expect(await clonesOf(stack)).toEqual([]);
  // The page's own command leaves its snapshot on the Qdrant server.
  const now = await look(stack);
  expect(diff(before.content, now.content)).toEqual([]);
  expect(now.states).toEqual(before.states);
});

it("needs the stack on this host, whose images they do not tell", { timeout }, async () => {
  await using stack = await createStack({ tier: "personal", name: "rehearse-hand-none" });
  const made = await byHand(stack, "data");
  const reference = await stack.publish(goodVersions["1.2.0"]);
  await stack.compose(["down", "--timeout", "5"]);
  const gone = await rehearse(stack, made, reference);
  expect(gone.code, gone.stderr).toBe(2);
  expect(gone.result).toMatchObject({ result: "refused" });
  await stack.compose(["up", "--no-start"]);
  const made2 = await rehearse(stack, made, reference);
  expect(made2.code, made2.stderr).toBe(0);
});
